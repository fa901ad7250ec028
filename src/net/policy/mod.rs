//! What a box may reach. [`Egress`] is the policy of one box while it runs: the gateway asks it about destinations, the name server about
//! names and the addresses that they have.
//!
//! `group` says to which group an address belongs, `host` which addresses are the host's own, `pins` which names this box has resolved to an
//! address, and `verdict` decides: it is pure, and everything that the decision depends on is handed to it.
//!
//! # What the rules mean
//! - Rules of `deny` come first, then those of `allow`, and what none matches is refused, or, without an `allow` list, allowed if it is
//!   public.
//! - A rule by name allows an address only if this box has resolved the name to it by the gateway's name server, and only if the address is
//!   public. Whoever owns a name can let it point to a private address, to the host or to a metadata service (DNS rebinding), so that
//!   one needs a rule by address or group besides. An address that the user gave the name in `hosts` needs none.
//! - A name is asked for if a rule by name allows it, or if the public internet is allowed, since a query leaves for the internet too. A rule about
//!   the group `private` or about a network, other than one of all addresses, opens no names: what was shut in could still tell everything to the owner of a name.
//! - The ports of DNS (53, 853, and those of mDNS and LLMNR) are matched only by rules of `allow` that state the port, so that
//!   names are resolved by the gateway.
//! - Where a name decides, whether it allows or refuses, the connection's own name (SNI, Host) has to be looked at. That is
//!   not possible with QUIC, so that UDP port 443 is refused there, and clients use TCP. A rule by address opens it, unless a rule
//!   refuses names.

mod egress;
mod group;
mod host;
mod pins;
mod verdict;
#[cfg(test)]
mod verdict_tests;

pub use self::{egress::Egress, group::group_of};
