//! The host's time for the guest, after the host's clock was set or the host slept too. Started by `terminator`.

mod jump;
mod server;

pub(crate) use server::serve;
