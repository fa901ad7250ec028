//! A secret that the gateway puts into requests, so that the box itself never has it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One secret. Inside the box, the variable `env` holds the placeholder; in the headers of TLS requests to `hosts`, the gateway replaces
/// the placeholder by the value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSpec {
    /// The variable's name.
    pub env: String,
    /// What the variable holds in the box.
    pub placeholder: String,
    /// The secret itself.
    pub value: String,
    /// The names of the hosts that get it: a name or `*.name`.
    pub hosts: Vec<String>,
}

impl fmt::Debug for SecretSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSpec")
            .field("env", &self.env)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
