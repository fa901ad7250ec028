//! The HTTP proxy through which a box's connections leave. Read by `plan`; its variables are named by the doctor, too.

use std::env;

use boxlite_error::{BoxliteError, BoxliteResult};
use boxlite_spec::network::ProxySpec;

use crate::options::network::proxy::{Proxy, is_proxy};

/// The variables that name a host's proxy, in the order in which they are looked at.
pub(crate) const VARIABLES: [&str; 6] =
    ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// The variables that name what is reached without the host's proxy.
const EXCEPT: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxy.
///
/// # Errors
/// `INVALID_ARGUMENT` if the host's proxy is none that the gateway can use: a box must not go around it.
pub(crate) fn spec(option: Option<&Proxy>) -> BoxliteResult<Option<ProxySpec>> {
    let variable = |name: &str| env::var(name).ok();
    match option {
        None => Ok(None),
        Some(Proxy::Url(url)) => Ok(Some(ProxySpec { url: url.clone(), except: Vec::new() })),
        Some(Proxy::Host) => {
            Ok(of_host(variable)?.map(|url| ProxySpec { url, except: exceptions(variable) }))
        }
    }
}

fn exceptions(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let list = EXCEPT.into_iter().find_map(variable).unwrap_or_default();
    let entries = list.split([',', ' ']).map(str::trim);
    entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// The proxy that the host's variables name.
///
/// # Errors
/// `INVALID_ARGUMENT` as for [`spec`].
pub(crate) fn of_host(variable: impl Fn(&str) -> Option<String>) -> BoxliteResult<Option<String>> {
    let set =
        VARIABLES.into_iter().find_map(|name| Some((name, variable(name).filter(|url| !url.is_empty())?)));
    let Some((name, url)) = set else { return Ok(None) };
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    if is_proxy(&url) {
        return Ok(Some(url));
    }
    // The value may hold a password.
    let why = format!("the variable {name} names no proxy of the kind http://HOST:PORT");
    Err(BoxliteError::invalid_option("network.proxy", why)
        .hint(format!("set {name} to an HTTP proxy, or name one by the option")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, url: &'static str) -> BoxliteResult<Option<String>> {
        of_host(move |asked| (asked == name).then(|| url.to_owned()))
    }

    #[test]
    fn network_pitfalls_corporate_ca_proxy_it_fails_closed() {
        assert_eq!(with("NONE", "x").unwrap(), None);
        assert_eq!(with("https_proxy", "").unwrap(), None);
        assert_eq!(with("HTTPS_PROXY", "proxy:3128").unwrap().unwrap(), "http://proxy:3128");
        assert_eq!(with("all_proxy", "http://u:p@proxy:3128/").unwrap().unwrap(), "http://u:p@proxy:3128/");
        let error = with("ALL_PROXY", "socks5://u:hunter2@proxy:1080").unwrap_err();
        assert!(
            error.to_string().contains("the variable ALL_PROXY") && !error.to_string().contains("hunter2")
        );
        assert_eq!(spec(None).unwrap(), None);
        let url = Proxy::Url("http://u:hunter2@proxy:3128".into());
        let made = spec(Some(&url)).unwrap().unwrap();
        assert!(made.url.contains("hunter2") && !format!("{made:?}").contains("hunter2"));
    }

    #[test]
    fn network_pitfalls_corporate_ca_proxy_exceptions_of_the_host_are_read() {
        let list = |name: &str| (name == "NO_PROXY").then(|| "localhost, .corp.test,,10.0.0.0/8".to_owned());
        assert_eq!(exceptions(list), ["localhost", ".corp.test", "10.0.0.0/8"]);
        assert!(exceptions(|_| None).is_empty());
    }
}
