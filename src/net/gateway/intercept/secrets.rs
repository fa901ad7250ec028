//! The secrets of a box, and where each is put in: the values of headers that hold its placeholder, of requests to its hosts. Read by
//! the `gate` for every request, so that a new value counts at once. No text of this file ever has a value in it.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use boxlite_spec::network::{
    rule::{Rule, Target},
    secret::SecretSpec,
};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION},
};
use zeroize::Zeroizing;

/// Base64 as programs write it, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// All secrets of a box.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<Secret>);

struct Secret {
    env: String,
    placeholder: Vec<u8>,
    value: Zeroizing<Vec<u8>>,
    hosts: Vec<Target>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("env", &self.env).field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Secret {
    fn is_for(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| match host {
            Target::Name(host) => host == name,
            Target::Below(parent) => {
                name.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Target::Net(_) | Target::Group(_) => false,
        })
    }
}

/// A secret whose value no header can carry, by the name of its variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit(pub(super) String);

impl Secrets {
    /// Reads them. A host that is no name has no connection that could match.
    pub(super) fn new(specs: &[SecretSpec]) -> Self {
        let mut secrets: Vec<_> = specs
            .iter()
            .filter(|spec| !spec.placeholder.is_empty())
            .map(|spec| Secret {
                env: spec.env.clone(),
                placeholder: spec.placeholder.clone().into_bytes(),
                value: Zeroizing::new(spec.value.clone().into_bytes()),
                hosts: spec.hosts.iter().filter_map(|host| Some(host.parse::<Rule>().ok()?.target)).collect(),
            })
            .collect();
        // A placeholder that is the start of another is looked for after it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.placeholder.len()));
        Self(secrets)
    }

    /// Whether a host gets any.
    pub(super) fn are_for(&self, name: &str) -> bool {
        self.0.iter().any(|secret| secret.is_for(name))
    }

    /// Replaces the placeholders of `name`'s secrets in the values of headers. Those of other hosts stay.
    pub(super) fn fill(&self, name: &str, headers: &mut HeaderMap) -> Result<(), Unfit> {
        let secrets: Vec<_> = self.0.iter().filter(|secret| secret.is_for(name)).collect();
        for (header, value) in headers.iter_mut() {
            let Some((filled, secret)) = fill_header(&secrets, header, value.as_bytes()) else { continue };
            let mut filled = HeaderValue::from_bytes(&filled).map_err(|_| Unfit(secret.env.clone()))?;
            // Kept out of HTTP/2's table of headers and of every debug output.
            filled.set_sensitive(true);
            *value = filled;
        }
        Ok(())
    }
}

type Filled<'a> = (Zeroizing<Vec<u8>>, &'a Secret);

fn fill_header<'a>(secrets: &[&'a Secret], header: &HeaderName, value: &[u8]) -> Option<Filled<'a>> {
    if let Some(filled) = replace(secrets, value) {
        return Some(filled);
    }
    // User and password are encoded together (RFC 7617).
    let scheme = value.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case(b"basic "))?;
    if header != AUTHORIZATION && header != PROXY_AUTHORIZATION {
        return None;
    }
    let credentials = Zeroizing::new(BASE64.decode(value[6..].trim_ascii()).ok()?);
    let (credentials, secret) = replace(secrets, &credentials)?;
    let encoded = Zeroizing::new(BASE64.encode(&*credentials));
    Some((Zeroizing::new([scheme, encoded.as_bytes()].concat()), secret))
}

/// Replaces every placeholder in one pass, so that a value with another's placeholder in it stays as it is. `None` if there was none.
fn replace<'a>(secrets: &[&'a Secret], text: &[u8]) -> Option<Filled<'a>> {
    let mut filled = Zeroizing::new(Vec::new());
    let (mut rest, mut last) = (text, None);
    while let Some((byte, after)) = rest.split_first() {
        if let Some(secret) = secrets.iter().find(|secret| rest.starts_with(&secret.placeholder)) {
            filled.extend_from_slice(&secret.value);
            rest = &rest[secret.placeholder.len()..];
            last = Some(*secret);
        } else {
            filled.push(*byte);
            rest = after;
        }
    }
    Some((filled, last?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(env: &str, value: &str, hosts: &[&str]) -> SecretSpec {
        SecretSpec {
            env: env.into(),
            placeholder: format!("boxlite-{env}"),
            value: value.into(),
            hosts: hosts.iter().map(|&host| host.into()).collect(),
        }
    }

    fn filled(secrets: &Secrets, name: &str, header: &'static str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header, value.parse().unwrap());
        secrets.fill(name, &mut headers).unwrap();
        headers[header].to_str().unwrap().to_owned()
    }

    #[test]
    fn placeholders_are_replaced_for_their_hosts_alone() {
        let secrets = Secrets::new(&[
            secret("A", "hidden", &["api.example.com"]),
            secret("AB", "boxlite-A", &["*.example.com"]),
        ]);
        let fill = |name, value| filled(&secrets, name, "x-key", value);
        assert_eq!(fill("api.example.com", "Bearer boxlite-A"), "Bearer hidden");
        assert_eq!(fill("api.example.com", "boxlite-A,boxlite-AB;boxlite-A"), "hidden,boxlite-A;hidden");
        assert_eq!(
            fill("www.example.com", "boxlite-A,boxlite-AB"),
            "boxlite-A,boxlite-AB".replacen("boxlite-AB", "boxlite-A", 1)
        );
        assert_eq!(fill("example.com", "boxlite-A,boxlite-AB"), "boxlite-A,boxlite-AB");
        assert!(secrets.are_for("api.example.com") && secrets.are_for("a.b.example.com"));
        assert!(!secrets.are_for("example.com") && !secrets.are_for("badexample.com"));
    }

    #[test]
    fn basic_credentials_are_replaced_inside_their_encoding() {
        let secrets = Secrets::new(&[secret("A", "pass:word", &["a.example"])]);
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text));
        let value = basic("user:boxlite-A");
        assert_eq!(filled(&secrets, "a.example", "authorization", &value), basic("user:pass:word"));
        assert_eq!(
            filled(&secrets, "a.example", "authorization", value.trim_end_matches('=')),
            basic("user:pass:word")
        );
        assert_eq!(filled(&secrets, "b.example", "authorization", &value), value);
        assert_eq!(filled(&secrets, "a.example", "x-other", &value), value);
        assert_eq!(filled(&secrets, "a.example", "authorization", "Basic !!"), "Basic !!");
    }

    #[test]
    fn no_value_is_in_a_text() {
        let specs = [secret("A", "hid\nden", &["a.example"])];
        let secrets = Secrets::new(&specs);
        assert!(!format!("{secrets:?} {specs:?}").contains("den"));
        let mut headers = HeaderMap::new();
        headers.insert("x-key", "boxlite-A".parse().unwrap());
        let unfit = secrets.fill("a.example", &mut headers);
        assert_eq!(unfit, Err(Unfit("A".into())));
        let secrets = Secrets::new(&[secret("A", "hidden", &["a.example"])]);
        secrets.fill("a.example", &mut headers).unwrap();
        assert_eq!(headers["x-key"], "hidden");
        assert!(!format!("{headers:?}").contains("hidden"));
    }
}
