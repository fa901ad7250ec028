//! `ContainerInterface`: makes the container, from the host's side.

use boxlite_proto::{
    limits,
    v1::{ContainerInitRequest, container_client::ContainerClient},
};
use tonic::{Request, transport::Channel};

use super::{Connection, guest::set_up_failed};
use crate::BoxliteResult;

/// Calls of the `Container` service.
#[derive(Debug)]
pub(crate) struct ContainerInterface {
    client: ContainerClient<Channel>,
}

impl ContainerInterface {
    pub(super) fn new(connection: &Connection) -> Self {
        Self { client: ContainerClient::new(connection.channel()).max_decoding_message_size(limits::MESSAGE) }
    }

    /// Makes the container that `spec` describes.
    pub(crate) async fn init(&mut self, spec: ContainerInitRequest) -> BoxliteResult<()> {
        let mut request = Request::new(spec);
        request.set_timeout(limits::UNARY_DEADLINE);
        self.client.init(request).await.map_err(|status| set_up_failed("make the container", &status))?;
        Ok(())
    }
}
