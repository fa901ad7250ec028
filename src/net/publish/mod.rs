//! Published ports: the host listens, and the agent in the box dials. [`publisher`] is the list of the ports, `tcp` and `udp` serve one
//! port each, `splice` joins two streams, and [`dialer`] reaches a port in the box.

mod activity;
pub mod dialer;
#[cfg(any(fuzzing, test))]
pub mod hostile;
pub mod publisher;
mod shared;
mod splice;
mod tcp;
mod udp;
