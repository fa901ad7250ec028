//! The Guest service: the machine around the container.
//!
//! Called by the host over gRPC; calls `storage`, `network` and `supervision`.
#![allow(unsafe_code, reason = "the RNDADDENTROPY ioctl")]

use std::{
    fs::OpenOptions,
    io,
    mem::size_of,
    os::fd::AsRawFd as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use boxlite_proto::v1::{
    GuestInitRequest, GuestInitResponse, ShutdownRequest, ShutdownResponse, guest_server::Guest,
};
use nix::{
    libc,
    sys::utsname::uname,
    time::{ClockId, clock_settime},
    unistd::sethostname,
};
use tonic::{Request, Response};

use super::Answer;
use crate::{
    Context as _, Error, Kind, Result,
    network::{self, Configured},
    storage,
    supervision::{Supervisor, uptime_ns},
};

/// Most bytes of entropy that the host may send.
const ENTROPY: usize = 256;

/// When the agent started, on the clock that starts with the kernel.
#[derive(Debug, Clone, Copy)]
pub struct AgentStart(u64);

impl AgentStart {
    /// The current time.
    pub fn now() -> Self {
        Self(uptime_ns())
    }
}

#[derive(Clone)]
pub(super) struct GuestService {
    supervisor: Supervisor,
    start: AgentStart,
    initialised: Arc<AtomicBool>,
    network: Arc<OnceLock<Configured>>,
}

impl GuestService {
    /// Sets `network` when the machine is set up.
    pub(super) fn new(supervisor: Supervisor, start: AgentStart, network: Arc<OnceLock<Configured>>) -> Self {
        Self { supervisor, start, initialised: Arc::default(), network }
    }

    async fn set_up(&self, request: &GuestInitRequest) -> Result<()> {
        if self.initialised.swap(true, Ordering::Relaxed) {
            return Err(Error::new(Kind::State, "initialise guest: it was done before"));
        }
        set_clock(request.wall_clock_unix_ns)?;
        add_entropy(&request.entropy)?;
        if !request.hostname.is_empty() {
            sethostname(&request.hostname).context(|| format!("set hostname {:?}", request.hostname))?;
        }
        let configured = network::configure(request.network.as_ref())?;
        let _ = self.network.set(configured);
        let unnamed = || Error::new(Kind::Invalid, "initialise guest: no root disk is named");
        storage::mount_root_disk(request.root_disk.as_ref().ok_or_else(unnamed)?).await?;
        self.supervisor.disk_mounted();
        Ok(())
    }
}

#[tonic::async_trait]
impl Guest for GuestService {
    async fn init(&self, request: Request<GuestInitRequest>) -> Answer<GuestInitResponse> {
        self.set_up(request.get_ref()).await?;
        let name = uname().context(|| "uname")?;
        Ok(Response::new(GuestInitResponse {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel_release: name.release().to_string_lossy().into_owned(),
            uptime_ns: uptime_ns(),
            agent_start_ns: self.start.0,
        }))
    }

    async fn shutdown(&self, request: Request<ShutdownRequest>) -> Answer<ShutdownResponse> {
        let killed = self.supervisor.shut_down(request.get_ref().grace_ms).await;
        Ok(Response::new(ShutdownResponse { killed }))
    }
}

/// Sets the clock, unless `unix_ns` is 0.
fn set_clock(unix_ns: u64) -> Result<()> {
    if unix_ns == 0 {
        return Ok(());
    }
    clock_settime(ClockId::CLOCK_REALTIME, Duration::from_nanos(unix_ns).into())
        .context(|| format!("set clock to {unix_ns} ns"))
}

/// `struct rand_pool_info` (`include/uapi/linux/random.h`).
#[repr(C)]
struct PoolInfo {
    entropy_bits: libc::c_int,
    size: libc::c_int,
    data: [u8; ENTROPY],
}

nix::ioctl_write_ptr!(
    /// `RNDADDENTROPY`: mixes bytes into the pool and credits them (random(4)).
    add_to_pool, b'R', 0x03, [libc::c_int; 2]
);

fn add_entropy(bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut info = PoolInfo { entropy_bits: 0, size: 0, data: [0; ENTROPY] };
    let Some(data) = info.data.get_mut(..bytes.len()) else {
        let what = format!("add entropy: {} bytes, most is {ENTROPY}", bytes.len());
        return Err(Error::new(Kind::Invalid, what));
    };
    data.copy_from_slice(bytes);
    info.size = i32::try_from(bytes.len()).unwrap_or(0);
    info.entropy_bits = info.size * 8;
    let pool = OpenOptions::new().write(true).open("/dev/random").context(|| "open /dev/random")?;
    debug_assert_eq!(size_of::<PoolInfo>(), 8 + ENTROPY);
    // SAFETY: the kernel reads the two integers and then `size` bytes of `data`, all within `info`.
    let added = unsafe { add_to_pool(pool.as_raw_fd(), (&raw const info).cast()) };
    added.map(drop).map_err(io::Error::from).context(|| "add entropy")
}
