//! The messages between the runtime and a running shim. The shim listens on a socket in the box's folder
//! ([`InstanceSpec::control`](crate::InstanceSpec::control)); each message is one line of JSON, at most [`LINE`] bytes. A client sends
//! one [`Request`] and gets one [`Reply`], except for [`Request::Events`], whose replies come until the client hangs up.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    port::PublishSpec,
    rule::{Policy, Protocol},
    secret::SecretSpec,
};

/// Most bytes of one message, its newline included.
pub const LINE: usize = 1 << 20;

/// What the runtime asks of a shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Replaces the policy. Connections that the new one refuses are closed. Answered by [`Reply::Done`].
    SetPolicy {
        /// The new policy.
        policy: Policy,
    },
    /// Replaces the secrets. Answered by [`Reply::Done`].
    SetSecrets {
        /// All secrets; the placeholders of those that stay are the same.
        secrets: Vec<SecretSpec>,
    },
    /// Publishes a port. Answered by [`Reply::Ports`] with this one port as it is now, its host port included.
    Publish {
        /// The port.
        port: PublishSpec,
    },
    /// Withdraws every publication of a port of the box. Answered by [`Reply::Ports`] with those that were withdrawn.
    Unpublish {
        /// The port in the box.
        guest: u16,
        /// Its protocol.
        protocol: Protocol,
    },
    /// Asks for the certificate of the box's own authority, which has to be in the box's store before anything runs there. Answered by
    /// [`Reply::Authority`].
    Authority,
    /// Asks for the published ports. Answered by [`Reply::Ports`].
    Ports,
    /// Asks for the counters. Answered by [`Reply::Metrics`].
    Metrics,
    /// Asks for refusals, from now on or from an earlier moment on. Answered by [`Reply::Done`] as soon as none is missed any more, and then
    /// by a [`Reply::Refusal`] for each, at most one a second for each destination.
    Events {
        /// The moment, in milliseconds since the Unix epoch. A shim keeps a bounded number of refusals for this; `None` asks for none of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_unix_ms: Option<u64>,
    },
}

/// What a shim answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// It is done; of [`Request::Events`], it has begun.
    Done,
    /// The published ports.
    Ports {
        /// Each with the host's port that was given.
        ports: Vec<PublishSpec>,
    },
    /// The certificate of the box's own authority.
    Authority {
        /// In PEM; `None` if the box has had no secrets since its start, so that it has none.
        certificate: Option<String>,
    },
    /// The counters.
    Metrics {
        /// Since the box's start.
        metrics: NetworkMetrics,
    },
    /// Something was refused.
    Refusal {
        /// What.
        refusal: Refusal,
    },
    /// The request could not be carried out.
    Failed {
        /// What failed, with the value and the cause.
        message: String,
        /// The kind of failure.
        #[serde(default)]
        kind: FailureKind,
    },
}

/// Why a request could not be carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The address of a publication is in use.
    AddressInUse,
    /// The host does not let this user listen on the address of a publication, or has no such address.
    AddressDenied,
    /// The box has no network, or its backend can't do this.
    Unsupported,
    /// Another reason.
    #[default]
    Other,
}

/// What went through a box's network since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkMetrics {
    /// Bytes of frames to the box.
    pub received_bytes: u64,
    /// Bytes of frames from the box.
    pub sent_bytes: u64,
    /// Frames to the box.
    pub received_packets: u64,
    /// Frames from the box.
    pub sent_packets: u64,
    /// Connections that are open now, TCP and UDP.
    pub connections: u64,
    /// Connections that were opened, TCP and UDP.
    pub connections_total: u64,
    /// Connections, datagrams and queries that were refused.
    pub refusals: u64,
    /// DNS queries.
    pub dns_queries: u64,
    /// Frames from the box that were dropped, since they are malformed or not from the box's own address.
    pub dropped_packets: u64,
}

/// A destination that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The address; `None` if a name was refused before it was resolved.
    pub address: Option<IpAddr>,
    /// The port; 0 for ICMP and names.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The name, if one is known: the name that was resolved for this address, SNI or Host.
    pub name: Option<String>,
    /// The rule that refused: its text, or `default` where none matched, `limit` where a limit was reached, `backend` where the program that
    /// serves the network had ended. That itself is told without an address.
    pub rule: String,
    /// How often since the last report about this destination.
    pub count: u64,
}
