//! The HTTP client of a registry: timeouts, certificates, redirects. Called by `registries`.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use boxlite_error::ErrorCode;
use reqwest::{
    Client, Url,
    redirect::{Action, Attempt, Policy},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::{
    blocking::blocking,
    error::Error,
    options::{ImageOptions, RegistryOptions},
};

/// As many as browsers follow, more or less.
const REDIRECTS: usize = 10;

/// Which certificates of registries are accepted.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    authorities: Authorities,
}

#[derive(Debug)]
enum Authorities {
    /// Those of the system. Reading them takes as long as a small image, and a system without any can still use registries
    /// without encryption: so they are read when they are first needed.
    System(OnceLock<Result<Verifier, rustls::Error>>),
    /// Those of the system, and those of a file.
    Extended(Verifier),
    /// Any certificate is accepted.
    Nobody,
}

impl Trust {
    /// Trusts the authorities of the system.
    pub(super) fn system() -> Self {
        Self::new(Authorities::System(OnceLock::new()))
    }

    /// The provider of the cryptography is ours alone: which one the program around us uses is its own business.
    fn new(authorities: Authorities) -> Self {
        Self { provider: Arc::new(rustls::crypto::ring::default_provider()), authorities }
    }

    /// What checks certificates, or `None` if nothing does. Blocks when it is first called for the system's authorities.
    fn verifier(&self) -> Result<Option<&Verifier>, rustls::Error> {
        match &self.authorities {
            Authorities::System(verifier) => {
                let made = verifier.get_or_init(|| Verifier::new(Arc::clone(&self.provider)));
                made.as_ref().map(Some).map_err(Clone::clone)
            }
            Authorities::Extended(verifier) => Ok(Some(verifier)),
            Authorities::Nobody => Ok(None),
        }
    }

    /// What reqwest would set up, but for the provider and the moment when the authorities are read.
    fn tls(self: &Arc<Self>) -> Result<ClientConfig, rustls::Error> {
        let mut tls = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(tls)
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(verifier) = self.verifier()? else { return Ok(ServerCertVerified::assertion()) };
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let Some(verifier) = self.verifier()? else { return Ok(HandshakeSignatureValid::assertion()) };
        verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let Some(verifier) = self.verifier()? else { return Ok(HandshakeSignatureValid::assertion()) };
        verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The system's authorities and those of the PEM file at `path`. Blocks.
fn extended(path: &Path) -> Result<Trust, Error> {
    let what = format!("read certificates {}", path.display());
    let bytes = std::fs::read(path).map_err(|error| Error::storage(&what, error))?;
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| Error::corrupt(&what).because(error))?;
    let mut trust = Trust::system();
    let verifier = Verifier::new_with_extra_roots(certificates, Arc::clone(&trust.provider));
    trust.authorities =
        Authorities::Extended(verifier.map_err(|error| Error::corrupt(&what).because(error))?);
    Ok(trust)
}

/// A client for one registry. `system` is shared by all that trust the system's authorities alone.
pub(super) async fn client(
    options: &RegistryOptions,
    all: &ImageOptions,
    system: &Arc<Trust>,
) -> Result<Client, Error> {
    let failed =
        || Error::new(ErrorCode::RegistryUnreachable, format!("set up a client for {}", options.host));
    let trust = if options.skip_verify {
        Arc::new(Trust::new(Authorities::Nobody))
    } else if let Some(path) = options.ca_file.clone() {
        Arc::new(blocking(move || extended(&path)).await?)
    } else {
        Arc::clone(system)
    };
    if !options.http {
        let trust = Arc::clone(&trust);
        let read = blocking(move || Ok(trust.verifier().map(drop))).await?;
        read.map_err(|error| failed().because(error))?;
    }
    Client::builder()
        .user_agent(concat!("boxlite/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(all.timeouts.connect)
        .read_timeout(all.timeouts.read)
        .redirect(Policy::custom(redirect))
        .referer(false)
        .tls_backend_preconfigured(trust.tls().map_err(|error| failed().because(error))?)
        .build()
        .map_err(|error| failed().because(error))
}

/// Which redirects are followed. reqwest takes the Authorization header from a request that goes to another host, port or
/// scheme; this decides where a request may go at all.
fn redirect(attempt: Attempt<'_>) -> Action {
    let is_plain = |url: &Url| url.scheme() != "https";
    let [first, ..] = attempt.previous() else { return attempt.stop() };
    if attempt.previous().len() > REDIRECTS {
        return attempt.error("too many redirects");
    }
    let (manifest, blob) = (first.path().contains("/manifests/"), first.path().contains("/blobs/"));
    if !manifest && !blob {
        // A token service: its request may hold a secret in its body.
        return if attempt.url().origin() == first.origin() { attempt.follow() } else { attempt.stop() };
    }
    // Blobs are checked by their digests; what a tag means is not.
    if manifest && !is_plain(first) && is_plain(attempt.url()) {
        return attempt.error("it redirects to a place without encryption");
    }
    attempt.follow()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_client_chooses_the_cryptography_of_the_whole_process() {
        let system = Arc::new(Trust::system());
        let registry = RegistryOptions::new("registry.example");
        let unverified = RegistryOptions { skip_verify: true, ..registry.clone() };
        for options in [registry, unverified] {
            client(&options, &ImageOptions::default(), &system).await.unwrap();
        }
        assert!(CryptoProvider::get_default().is_none());
    }
}
