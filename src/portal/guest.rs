//! `GuestInterface`: the machine around the container, from the host's side.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};
use boxlite_proto::v1::{GuestInitRequest, RootDisk, ShutdownRequest, guest_client::GuestClient};
use boxlite_wire::limits;
use tonic::{Request, transport::Channel};

use crate::{
    call::{answered, timed},
    network::NetworkConfig,
    status::from_status,
};

/// Calls of the `Guest` service.
#[derive(Debug)]
pub struct GuestInterface {
    pub(crate) client: GuestClient<Channel>,
}

impl GuestInterface {
    /// Gives the machine its time, entropy, host name, root disk and network.
    ///
    /// # Errors
    /// `GUEST_FAILED` if the guest can't set the machine up; `GUEST_TIMEOUT`; `PORTAL_LOST`; `INVALID_ARGUMENT` if an option asks for what
    /// the machine does not have.
    pub async fn init(&mut self, hostname: &str, network: Option<&NetworkConfig>) -> BoxliteResult<()> {
        let mut entropy = vec![0; 64];
        getrandom::fill(&mut entropy)
            .map_err(|error| BoxliteError::new(ErrorCode::Internal, format!("draw entropy: {error}")))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let request = timed(GuestInitRequest {
            wall_clock_unix_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            entropy: entropy.into(),
            hostname: hostname.to_owned(),
            root_disk: Some(RootDisk { device: "vda".to_owned(), fs_type: "ext4".to_owned() }),
            network: network.map(NetworkConfig::message),
        });
        let answer = self.client.init(request).await;
        let answer = answer.map_err(|status| set_up_failed("set up the machine", &status))?.into_inner();
        tracing::debug!(
            agent = answer.agent_version,
            kernel = answer.kernel_release,
            kernel_to_agent_us = answer.agent_start_ns / 1000,
            kernel_to_init_us = answer.uptime_ns / 1000,
            "guest is set up"
        );
        Ok(())
    }

    /// Makes the machine power off. Its processes get `grace` between SIGTERM and SIGKILL.
    ///
    /// # Errors
    /// `PORTAL_LOST`, also if the machine powers off before the reply is here; `GUEST_TIMEOUT`.
    pub async fn shutdown(&mut self, grace: Duration) -> BoxliteResult<()> {
        let grace_ms = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX);
        let mut request = Request::new(ShutdownRequest { grace_ms });
        request.set_timeout(grace + limits::UNARY_DEADLINE);
        answered("shut down", self.client.shutdown(request).await).map(drop)
    }
}

/// A refusal during set-up is the guest's failure, not a failed RPC; only if an option is to blame, such as a device that the machine does
/// not have, the error stays `INVALID_ARGUMENT`.
pub(crate) fn set_up_failed(what: &str, status: &tonic::Status) -> BoxliteError {
    let error = from_status(what, status);
    match error.code() {
        ErrorCode::PortalLost | ErrorCode::GuestTimeout | ErrorCode::InvalidArgument => error,
        _ => BoxliteError::new(ErrorCode::GuestFailed, error.to_string()),
    }
}
