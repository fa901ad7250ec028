//! The certificates of authorities that a box is given beside those of its image: the host's, or those of a file. Read by `plan`.

use std::{env, fs, path::PathBuf};

use boxlite_error::{BoxliteError, BoxliteResult, Term, text};

use crate::options::network::authorities::Authorities;

/// Where distributions keep their store as one file: Debian, Fedora, openSUSE, RHEL, Alpine and the BSDs.
const STORES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Most bytes: they are sent to the guest in one message.
const MOST: usize = 768 * 1024;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Reads them as PEM. Blocking.
///
/// # Errors
/// `INVALID_ARGUMENT` if there is no such file, it can't be read, or it has no certificate or too many.
pub(crate) fn read(authorities: &Authorities) -> BoxliteResult<Vec<u8>> {
    let file = match authorities {
        Authorities::File(file) => file.clone(),
        Authorities::Host => host_store().ok_or_else(|| {
            refused(&format!("this host has no store of certificates at any of {}", STORES.join(", "))).hint(
                text![
                    "install the package `ca-certificates`, or name a PEM file as ",
                    Term::Option("network.ca")
                ],
            )
        })?,
    };
    let name = file.display();
    let text = fs::read(&file).map_err(|error| refused(&format!("read `{name}`")).caused_by(error))?;
    let pem = certificates(&String::from_utf8_lossy(&text));
    match pem.len() {
        0 => Err(refused(&format!("`{name}` has no certificate in PEM, which begins with `{BEGIN}`"))),
        bytes if bytes > MOST => {
            Err(refused(&format!("the certificates of `{name}` take {bytes} bytes; at most {MOST}")))
        }
        _ => Ok(pem.into_bytes()),
    }
}

fn refused(why: &str) -> BoxliteError {
    BoxliteError::invalid_option("network.ca", why.to_owned())
}

/// The file that OpenSSL is told to use, else the distribution's.
fn host_store() -> Option<PathBuf> {
    let named = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    named.into_iter().chain(STORES.map(PathBuf::from)).find(|file| file.is_file())
}

/// The certificates of a PEM file. What else is in it, such as comments and private keys, is left out.
fn certificates(text: &str) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        let Some(length) = rest[begin..].find(END) else { break };
        let end = begin + length + END.len();
        found.push_str(&rest[begin..end]);
        found.push('\n');
        rest = &rest[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> BoxliteResult<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        read(&Authorities::File(file.path().to_owned()))
    }

    #[test]
    fn network_pitfalls_corporate_ca_proxy_no_private_key_gets_into_a_box() {
        let certificate = format!("{BEGIN}\nMIIB\n{END}");
        let key = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----";
        let pem = of(&format!("# mine\n{certificate}\n{key}\n{certificate}\n")).unwrap();
        assert_eq!(String::from_utf8(pem).unwrap(), format!("{certificate}\n{certificate}\n"));
    }

    #[test]
    fn what_has_no_certificate_is_refused_by_name() {
        let error = of("nothing").unwrap_err().to_string();
        assert!(error.starts_with("option `network.ca`: `/") && error.contains("no certificate"), "{error}");
        let error = of(&format!("{BEGIN}\n{}\n{END}", "A".repeat(MOST))).unwrap_err().to_string();
        assert!(error.contains("at most 786432"), "{error}");
        let error = read(&Authorities::File("/nowhere/ca.pem".into())).unwrap_err().to_string();
        assert!(error.contains("read `/nowhere/ca.pem`"), "{error}");
    }
}
