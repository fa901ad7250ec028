//! The box's own authority: a certificate that the box trusts, and certificates for the names of servers whose connections are
//! intercepted. Its keys are made at the start and never leave the memory of this process. Called by `mod.rs` and by `tls`.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SigningKey},
};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroize;

/// How far back validity begins, for clocks that are behind.
const BACK: Duration = Duration::days(2);
/// How long the authority is valid. A box that runs for longer is started again before.
const AUTHORITY_DAYS: Duration = Duration::days(3650);
/// How long the certificate of a name is valid.
const LEAF_DAYS: Duration = Duration::days(30);
/// How long before its end it is made anew.
const RENEWAL: Duration = Duration::days(10);
/// Most certificates that are kept. The box chooses the names, among those that a secret is for.
const LEAVES_MAX: usize = 256;

/// The authority of one box.
pub(super) struct Authority {
    issuer: Issuer<'static, Key>,
    certificate: String,
    /// The key of every certificate.
    key: Key,
    signing: Arc<dyn SigningKey>,
    leaves: Mutex<HashMap<String, Leaf>>,
}

struct Leaf {
    certified: Arc<CertifiedKey>,
    renewed: OffsetDateTime,
}

/// A key that is overwritten when it is dropped.
struct Key(KeyPair);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// Why no authority or certificate could be made.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Authority {
    /// Makes an authority whose validity has begun by now.
    pub(super) fn new(provider: &CryptoProvider) -> Result<Self, Failure> {
        Self::at(provider, OffsetDateTime::now_utc())
    }

    fn at(provider: &CryptoProvider, now: OffsetDateTime) -> Result<Self, Failure> {
        let mut params = CertificateParams::default();
        // Each start of a box makes another authority, and programs look for issuers by name.
        let mut id = [0; 4];
        provider.secure_random.fill(&mut id).map_err(|_| "the host has no random numbers")?;
        let name = format!("BoxLite box {:08x}", u32::from_be_bytes(id));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial(provider)?);
        (params.not_before, params.not_after) = (now - BACK, now + AUTHORITY_DAYS);
        let (root, key) = (Key(KeyPair::generate()?), Key(KeyPair::generate()?));
        let certificate = params.self_signed(&root)?.pem();
        let signing = ring::sign::any_ecdsa_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
            key.0.serialized_der(),
        )))?;
        Ok(Self { issuer: Issuer::new(params, root), certificate, key, signing, leaves: Mutex::default() })
    }

    /// Its certificate in PEM.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The certificate and key of a name.
    pub(super) fn leaf(&self, provider: &CryptoProvider, name: &str) -> Result<Arc<CertifiedKey>, Failure> {
        self.leaf_at(provider, name, OffsetDateTime::now_utc())
    }

    fn leaf_at(
        &self,
        provider: &CryptoProvider,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<Arc<CertifiedKey>, Failure> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        // The host's clock may have been set back as well.
        if let Some(leaf) =
            leaves.get(name).filter(|leaf| now < leaf.renewed && leaf.renewed - now <= LEAF_DAYS)
        {
            return Ok(Arc::clone(&leaf.certified));
        }
        let certificate = self.issue(provider, name, now)?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate], Arc::clone(&self.signing)));
        if leaves.len() >= LEAVES_MAX {
            let oldest = leaves.iter().min_by_key(|(_, leaf)| leaf.renewed).map(|(name, _)| name.clone());
            oldest.and_then(|name| leaves.remove(&name));
        }
        let leaf = Leaf { certified: Arc::clone(&certified), renewed: now + LEAF_DAYS - RENEWAL };
        leaves.insert(name.to_owned(), leaf);
        Ok(certified)
    }

    fn issue(
        &self,
        provider: &CryptoProvider,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<CertificateDer<'static>, Failure> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        // A common name has 64 characters at most (RFC 5280, appendix A); programs look at the alternative name.
        params.distinguished_name.push(DnType::CommonName, name.get(..64).unwrap_or(name));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(provider)?);
        (params.not_before, params.not_after) = (now - BACK, now + LEAF_DAYS);
        Ok(params.signed_by(&self.key, &self.issuer)?.der().clone())
    }
}

/// A random serial number, which is positive and has no leading zeros.
fn serial(provider: &CryptoProvider) -> Result<SerialNumber, Failure> {
    let mut serial = [0; 16];
    provider.secure_random.fill(&mut serial).map_err(|_| "the host has no random numbers")?;
    serial[0] = serial[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&serial))
}

#[cfg(test)]
mod tests {
    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{ServerName, UnixTime, pem::PemObject},
    };

    use super::*;

    fn is_valid(authority: &Authority, leaf: &CertifiedKey, name: &str, at: OffsetDateTime) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), ring::default_provider().into())
                .build()
                .unwrap();
        let seconds = u64::try_from(at.unix_timestamp()).unwrap();
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&leaf.cert[0], &[], &name, &[], at).is_ok()
    }

    #[test]
    fn network_pitfalls_tls_details_leaves_are_cached_and_renewed_and_valid_in_the_past() {
        let (provider, now) = (ring::default_provider(), OffsetDateTime::now_utc());
        let authority = Authority::at(&provider, now).unwrap();
        let first = authority.leaf_at(&provider, "a.example", now).unwrap();
        assert!(is_valid(&authority, &first, "a.example", now));
        assert!(is_valid(&authority, &first, "a.example", now - Duration::days(1)));
        assert!(!is_valid(&authority, &first, "b.example", now));
        let later = now + LEAF_DAYS - RENEWAL - Duration::seconds(1);
        assert!(Arc::ptr_eq(&first, &authority.leaf_at(&provider, "a.example", later).unwrap()));
        let later = now + LEAF_DAYS - RENEWAL;
        let second = authority.leaf_at(&provider, "a.example", later).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(is_valid(&authority, &second, "a.example", now + LEAF_DAYS + Duration::days(1)));
        assert!(!is_valid(&authority, &first, "a.example", now + LEAF_DAYS + Duration::days(1)));
    }

    #[test]
    fn the_number_of_leaves_is_bounded_and_names_may_be_long() {
        let (provider, now) = (ring::default_provider(), OffsetDateTime::now_utc());
        let authority = Authority::at(&provider, now).unwrap();
        let long = format!("{0}.{0}.{0}.example", "a".repeat(60));
        assert!(is_valid(&authority, &authority.leaf_at(&provider, &long, now).unwrap(), &long, now));
        for i in 0..=LEAVES_MAX {
            authority.leaf_at(&provider, &format!("n{i}.example"), now + Duration::seconds(1)).unwrap();
        }
        let leaves = authority.leaves.lock().unwrap();
        assert!(leaves.len() == LEAVES_MAX && !leaves.contains_key(&long));
    }

    #[test]
    fn no_key_is_in_a_text() {
        let authority = Authority::new(&ring::default_provider()).unwrap();
        assert_eq!(format!("{authority:?}"), "Authority { .. }");
        assert!(authority.certificate().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!authority.certificate().contains("PRIVATE"));
    }
}
