//! The portal: host-to-guest communication, gRPC over the box's portal socket.
//!
//! [`GuestSession`] is the facade that a running box holds; [`Connection`] makes the channel lazily and re-makes it
//! when it broke; one interface per service translates between this crate's words and the protocol's. All that comes
//! back is a guest's, so it is checked: sizes, order, offsets, deadlines.

mod connection;
mod container;
mod execution;
mod fault;
mod files;
mod guest;
mod opening;
mod session;
mod supervisor;

pub(crate) use connection::Connection;
pub(crate) use container::ContainerInterface;
pub(crate) use execution::{ExecutionInterface, LAST_SIGNAL, NO_STATUS, Offsets, OutputStream, exit_status};
pub(crate) use fault::{REJOINS, bounded, broken, from_status, is_lost};
pub(crate) use files::{FilesInterface, Listing, checked, refused};
pub(crate) use guest::GuestInterface;
pub(crate) use session::GuestSession;
#[cfg(test)]
pub(crate) use supervisor::GuestEvents;
pub(crate) use supervisor::{GuestEventKind, SupervisorInterface};
