//! The variables that belong to a box's network: where its certificates are, its proxy, and the placeholders of its secrets. Called by
//! `container/spec.rs`, which puts them between the image's and the box's own.

use boxlite_spec::network::{GATEWAY_NAME, HOST_NAME, PROXY_PORT};
use boxlite_wire::authorities::BUNDLE;

use crate::{network::proxy, state::config::BoxConfig};

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

/// The variables by which programs find a proxy, and the names for which they don't use one. Some read them in lower case only.
const PROXY: [&str; 4] = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The variables of the gateway's own proxy, which leads to the host's: no password of the host's proxy gets into the box. There are
/// none where there is no such proxy.
pub(crate) fn proxy(config: &BoxConfig) -> Vec<(&'static str, String)> {
    let option = config.options.network.as_ref().and_then(|network| network.proxy.as_ref());
    // What is wrong with it is told when the network is planned.
    if !matches!(proxy::spec(option), Ok(Some(_))) {
        return Vec::new();
    }
    let url = format!("http://{GATEWAY_NAME}:{PROXY_PORT}");
    let except = format!("localhost,127.0.0.1,::1,{HOST_NAME}");
    let named = |names: &[&'static str], value: String| {
        names.iter().map(move |&name| (name, value.clone())).collect::<Vec<_>>()
    };
    [named(&PROXY, url), named(&NO_PROXY, except)].concat()
}

/// The variables of the secrets, with their placeholders.
pub(crate) fn placeholders(config: &BoxConfig) -> Vec<(&str, String)> {
    let secrets = config.options.secrets.iter();
    secrets.map(|secret| (secret.env.as_str(), secret.placeholder(&config.id))).collect()
}
