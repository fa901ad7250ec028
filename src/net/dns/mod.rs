//! The name server of the gateway. [`Server`] answers the box's queries: names that the user fixed and the host's own name from here, all
//! others by the host's resolvers, as far as the policy lets them be asked. Called by the gateway through
//! [`NameServer`](crate::gateway::names::NameServer).
//!
//! A query goes from `question`, which reads it, by `local`, which knows some answers, to `upstream`, which asks the servers that
//! `resolv_conf` knows, by `exchange`. The answer goes through `filter`, which removes what the policy refuses and tells the policy the rest, and
//! `reply`, which cuts it to what the box takes.
//!
//! Messages are read and written by `hickory-proto`: every byte here comes from a hostile box or from a stranger's server. What leaves is always
//! written anew, so that nobody after us reads more in it than was judged here.

mod exchange;
mod filter;
#[cfg(fuzzing)]
pub mod hostile;
mod local;
mod question;
mod reply;
mod resolv_conf;
mod server;
#[cfg(test)]
mod tests;
mod upstream;

pub use self::{resolv_conf::search_domains, server::Server};
