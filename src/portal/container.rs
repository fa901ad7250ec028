//! `ContainerInterface`: makes the container, from the host's side.

use boxlite_error::BoxliteResult;
use boxlite_proto::v1::{
    ContainerInitRequest, StartError, container_client::ContainerClient, start_error::Kind,
};
use tonic::transport::Channel;

use crate::{call::timed, guest::set_up_failed, start::start_failed};

/// Calls of the `Container` service.
#[derive(Debug)]
pub struct ContainerInterface {
    pub(crate) client: ContainerClient<Channel>,
}

impl ContainerInterface {
    /// Makes the container that `spec` describes, and starts its main process if it has one. `spec` is the protocol's own message: the
    /// host writes it and the guest checks it, so a type of this crate with the same fields would check nothing.
    ///
    /// # Errors
    /// `GUEST_FAILED` if the container can't be made; if its main process can't be started, as of
    /// [`ExecutionInterface::start`](crate::ExecutionInterface::start).
    pub async fn init(&mut self, spec: ContainerInitRequest) -> BoxliteResult<()> {
        let main = spec.supervision.as_ref().and_then(|supervision| supervision.main.as_ref());
        let command = main.and_then(|main| main.argv.first()).cloned().unwrap_or_default();
        let answer = self.client.init(timed(spec)).await;
        let answer = answer.map_err(|status| set_up_failed("make the container", &status))?;
        match answer.into_inner().main_error {
            Some(error) => {
                Err(start_failed("start the main process", &command, &in_docker_words(error, &command)))
            }
            None => Ok(()),
        }
    }
}

/// The same error with the text that docker has for it, if there is one: users search for that.
fn in_docker_words(mut error: StartError, command: &str) -> StartError {
    if error.kind() == Kind::CommandNotFound && !command.contains('/') {
        error.message = format!("exec: {command:?}: executable file not found in $PATH");
    }
    error
}
