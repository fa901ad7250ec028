//! `Secret`: a value that a box uses without having it. Part of `BoxOptions`, stored in `config.json`, which no other user can read.
//!
//! Nothing here shows a value: not `Debug`, and no error.

use std::{collections::HashSet, fmt};

use boxlite_error::{BoxliteResult, shorten::shortened};
use boxlite_spec::network::{
    BackendKind,
    rule::{Rule, Target},
    secret::SecretSpec,
};
use serde::{Deserialize, Serialize};

use crate::options::{
    bound::{SHOWN, bounded, require},
    network::NetworkOptions,
};

const OPTION: &str = "secrets";

/// Most secrets.
const MOST: usize = 32;
/// Most hosts of one.
const MOST_HOSTS: usize = 64;
/// Longest name of a variable, and longest value, in bytes. A header that holds it has to pass servers, many of which take 8 KiB.
const NAME: usize = 128;
const VALUE: usize = 8192;

/// A secret. Inside, the variable `env` holds a placeholder; the gateway puts the value in its place, in headers of TLS requests to
/// `hosts` alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// The variable's name: letters, digits and `_`, the first no digit.
    pub env: String,
    /// The value: 1 to 8192 bytes that a header may hold.
    pub value: String,
    /// Names of the hosts that get it, such as `api.example.com` or `*.example.com`: 1 to 64.
    pub hosts: Vec<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("env", &self.env).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Secret {
    /// What the variable holds in the box of this id. No placeholder is part of another one, since no name of a variable has a `-`.
    pub(crate) fn placeholder(&self, box_id: &str) -> String {
        format!("boxlite-{box_id}-{}-secret", self.env)
    }

    /// What the gateway is told.
    pub(crate) fn spec(&self, box_id: &str) -> SecretSpec {
        SecretSpec {
            env: self.env.clone(),
            placeholder: self.placeholder(box_id),
            value: self.value.clone(),
            hosts: self.hosts.clone(),
        }
    }
}

/// Refuses secrets that can't be kept or put in, and those of a box without a gateway. `env` are the box's own variables.
pub(crate) fn check(
    secrets: &[Secret],
    network: Option<&NetworkOptions>,
    env: &[(String, String)],
) -> BoxliteResult<()> {
    bounded(OPTION, secrets.len(), MOST)?;
    let backend = network.map(|network| network.backend);
    require(secrets.is_empty() || backend.is_some(), OPTION, || "the box has no network")
        .map_err(|error| error.hint("give it one by `network`, such as `default`"))?;
    let why = || {
        let backend = backend.unwrap_or_default().as_str();
        format!("backend `{backend}` can't do this: it does not look into connections")
    };
    require(secrets.is_empty() || backend == Some(BackendKind::Gateway), OPTION, why)
        .map_err(|error| error.hint("leave `network.backend` out: the backend `gateway` can"))?;
    let mut names: HashSet<&str> = env.iter().map(|(name, _)| name.as_str()).collect();
    secrets.iter().enumerate().try_for_each(|(at, secret)| {
        let name = shortened(&secret.env, SHOWN);
        require(is_name(&secret.env), OPTION, || {
            format!("entry {at}: its `env` must be 1 to {NAME} letters, digits and `_`, the first no digit: {name:?}")
        })?;
        require(names.insert(&secret.env), OPTION, || {
            format!("entry {at}: the variable `{name}` is set twice, by `env` or another secret")
        })?;
        require(is_value(&secret.value), OPTION, || {
            let length = secret.value.len();
            format!("`{name}`: its value must be 1 to {VALUE} bytes without control characters and spaces at its ends: {length} bytes")
        })?;
        check_hosts(&name, &secret.hosts)
    })
}

fn check_hosts(name: &str, hosts: &[String]) -> BoxliteResult<()> {
    let count = hosts.len();
    require((1..=MOST_HOSTS).contains(&count), OPTION, || {
        format!("`{name}`: it must have 1 to {MOST_HOSTS} hosts: {count}")
    })?;
    hosts.iter().try_for_each(|host| {
        require(is_host(host), OPTION, || {
            let host = shortened(host, SHOWN);
            format!("`{name}`: expected a host such as `api.example.com` or `*.example.com`: `{host}`")
        })
    })
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=NAME).contains(&name.len()) && name.bytes().all(inner) && !name.as_bytes()[0].is_ascii_digit()
}

/// What a field of HTTP holds as it is (RFC 9110, 5.5).
fn is_value(value: &str) -> bool {
    (1..=VALUE).contains(&value.len())
        && !value.bytes().any(|byte| byte.is_ascii_control())
        && !value.starts_with(' ')
        && !value.ends_with(' ')
}

fn is_host(host: &str) -> bool {
    host.parse::<Rule>().is_ok_and(|rule| {
        let named = matches!(rule.target, Target::Name(_) | Target::Below(_));
        named && rule.ports.is_none() && rule.protocol.is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret { env: "API_KEY".into(), value: "hunter2".into(), hosts: vec!["api.example.com".into()] }
    }

    fn refused(secrets: &[Secret]) -> String {
        let error = check(secrets, Some(&NetworkOptions::default()), &[]).unwrap_err();
        assert!(!format!("{error:?}{error}").contains("hunter2"), "{error}");
        error.to_string()
    }

    #[test]
    fn what_can_not_be_kept_is_refused_without_its_value() {
        check(&[secret()], Some(&NetworkOptions::default()), &[]).unwrap();
        for env in ["", "1A", "A-B", "A=B", &"A".repeat(NAME + 1)] {
            assert!(
                refused(&[Secret { env: env.into(), ..secret() }]).contains("entry 0: its `env`"),
                "{env}"
            );
        }
        for value in ["", "hunter2\n", "hunter2\0", " hunter2", &"hunter2".repeat(VALUE)] {
            assert!(refused(&[Secret { value: value.into(), ..secret() }]).contains("`API_KEY`: its value"));
        }
        for host in ["", "https://a.example", "a.example:443", "10.0.0.1", "public", "*"] {
            let hosts = vec![host.to_owned()];
            assert!(refused(&[Secret { hosts, ..secret() }]).contains("expected a host"), "{host}");
        }
        assert!(refused(&[Secret { hosts: vec![], ..secret() }]).contains("1 to 64 hosts: 0"));
        assert!(refused(&[secret(), secret()]).contains("entry 1: the variable `API_KEY` is set twice"));
        assert_eq!(refused(&vec![secret(); MOST + 1]), "option `secrets`: 33 entries; 32 at most");
        assert!(!format!("{:?}", secret()).contains("hunter2"));
    }

    #[test]
    fn secrets_need_the_gateway() {
        let error = check(&[secret()], None, &[]).unwrap_err();
        assert_eq!(error.to_string(), "option `secrets`: the box has no network");
        let other = NetworkOptions { backend: BackendKind::Libslirp, ..Default::default() };
        let error = check(&[secret()], Some(&other), &[]).unwrap_err();
        assert!(error.to_string().contains("backend `libslirp` can't"), "{error}");
        check(&[], None, &[]).unwrap();
        let env = [("API_KEY".to_owned(), String::new())];
        check(&[secret()], Some(&NetworkOptions::default()), &env).unwrap_err();
    }

    #[test]
    fn no_placeholder_is_part_of_another() {
        let names = ["A", "AB", "A_", "_A"];
        let of = |env: &str| Secret { env: env.into(), ..secret() }.placeholder("0123456789ab");
        for (one, other) in names.iter().flat_map(|one| names.iter().map(move |other| (one, other))) {
            assert_eq!(of(one).contains(&of(other)), one == other, "{one} {other}");
        }
    }
}
