//! The variables that belong to a box's network: where its certificates are, and the placeholders of its secrets. Called by
//! `container/spec.rs`, which puts them between the image's and the box's own.

use boxlite_wire::authorities::BUNDLE;

use crate::state::config::BoxConfig;

/// The variables by which OpenSSL, `node`, requests, pip and git find their certificates.
const CERTIFICATES: [&str; 5] =
    ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO"];

/// The variables of the certificates. A box that trusts no more than its image has none.
pub(crate) fn certificates(config: &BoxConfig) -> Vec<(&'static str, &'static str)> {
    let options = &config.options;
    let has_own = options.network.as_ref().is_some_and(|network| network.ca.is_some());
    // The gateway shows certificates of an authority of its own where it puts secrets in.
    let needed = has_own || !options.secrets.is_empty();
    CERTIFICATES.into_iter().filter(|_| needed).map(|name| (name, BUNDLE)).collect()
}

/// The variables of the secrets, with their placeholders.
pub(crate) fn placeholders(config: &BoxConfig) -> Vec<(&str, String)> {
    let secrets = config.options.secrets.iter();
    secrets.map(|secret| (secret.env.as_str(), secret.placeholder(&config.id))).collect()
}
