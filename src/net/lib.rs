//! The network of a box, seen from the host: the backend that serves the box's network device, what the box may reach, and the ports
//! that are published on the host. The shim runs it, on threads of its own, before the machine is entered.
//!
//! [`backend`] is the trait that every backend implements; [`gateway`] is the default one, and [`gvproxy`] the external program of that name and
//! [`slirp`] the system's libslirp, for which [`packet_filter`] keeps the policy. [`decision`] is how a policy is asked what may be
//! reached, [`policy`] is that policy, and [`dns`] is the gateway's name server. [`metrics`] and [`refusals`] are what a box's network reports.
//! [`host`] serves the ports that are [published](publish) and the runtime's requests ([`control`]), on a thread of its own.

pub mod backend;
pub mod control;
pub mod decision;
pub mod dns;
pub mod gateway;
pub mod gvproxy;
pub mod host;
pub mod metrics;
#[cfg(test)]
mod numbers;
mod openings;
pub mod packet_filter;
pub mod policy;
pub mod publish;
mod record;
pub mod refusals;
#[cfg(any(fuzzing, test))]
mod sample;
pub mod slirp;
mod socket;
