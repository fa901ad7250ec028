//! How a registry is spoken to: timeouts, certificates, proxies of the environment. Called by `client`.

use std::sync::{Arc, Once, OnceLock};

use reqwest::{
    Certificate, Client, Url,
    redirect::{Action, Attempt, Policy},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;

use crate::{Error, ErrorKind, ImageOptions, RegistryOptions, blocking::blocking};

/// As many as browsers follow, more or less.
const REDIRECTS: usize = 10;

/// The certificate authorities that this system trusts. Reading them takes as long as a small image, and a system without any
/// can still use registries without encryption: so they are read when they are first needed.
#[derive(Debug)]
pub(super) struct SystemRoots {
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Result<Verifier, rustls::Error>>,
}

impl SystemRoots {
    pub(super) fn new() -> Self {
        static CHOICE: Once = Once::new();
        // Fails only if the program chose a provider already, which is as good.
        CHOICE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let provider = CryptoProvider::get_default().cloned();
        let provider = provider.unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
        Self { provider, verifier: OnceLock::new() }
    }

    /// Blocks when it is called first.
    fn verifier(&self) -> Result<&Verifier, rustls::Error> {
        let made = self.verifier.get_or_init(|| Verifier::new(Arc::clone(&self.provider)));
        made.as_ref().map_err(Clone::clone)
    }
}

impl ServerCertVerifier for SystemRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A client for one registry.
pub(super) async fn client(
    options: &RegistryOptions,
    all: &ImageOptions,
    roots: &Arc<SystemRoots>,
) -> Result<Client, Error> {
    let failed =
        || Error::new(ErrorKind::RegistryUnreachable, format!("set up a client for {}", options.host));
    let builder = Client::builder()
        .user_agent(concat!("boxlite/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(all.timeouts.connect)
        .read_timeout(all.timeouts.read)
        .redirect(Policy::custom(redirect))
        .referer(false);
    let builder = if options.skip_verify {
        builder.tls_danger_accept_invalid_certs(true)
    } else if let Some(path) = options.ca_file.clone() {
        let shown = path.display().to_string();
        let read = move || {
            std::fs::read(&path)
                .map_err(|error| Error::storage(format!("read certificates {}", path.display()), error))
        };
        let bundle = Certificate::from_pem_bundle(&blocking(read).await?)
            .map_err(|error| Error::corrupt(format!("read certificates {shown}")).because(error))?;
        builder.tls_certs_merge(bundle)
    } else {
        if !options.http {
            let roots = Arc::clone(roots);
            blocking(move || Ok(roots.verifier().map(drop)))
                .await?
                .map_err(|error| failed().because(error))?;
        }
        builder.tls_backend_preconfigured(system_tls(roots).map_err(|error| failed().because(error))?)
    };
    builder.build().map_err(|error| failed().because(error))
}

/// Which redirects are followed. reqwest takes the Authorization header from a request that goes to another host, port or
/// scheme; what is left to decide is where a request may go at all.
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
    // Blobs are checked by their digests; what a tag means would be anybody's say.
    if manifest && !is_plain(first) && is_plain(attempt.url()) {
        return attempt.error("it redirects to a place without encryption");
    }
    attempt.follow()
}

/// As reqwest sets it up, but for the moment when the roots are read.
fn system_tls(roots: &Arc<SystemRoots>) -> Result<ClientConfig, rustls::Error> {
    let mut tls = ClientConfig::builder_with_provider(Arc::clone(&roots.provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(roots) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}
