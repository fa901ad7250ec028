//! Tests of the gateway as a whole: a second stack plays the guest, servers on the host's loopback play the world. A test that holds a row
//! of the list of what other sandboxes' networks got wrong has `network_pitfalls` and the row in its name.

mod alone;
mod bounds;
mod closing;
mod flood;
pub(crate) mod guest;
mod host;
mod inspecting;
mod opening;
mod raw;
mod rig;
mod streams;
