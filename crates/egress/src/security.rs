//! TLS: whom to believe, and who to say that we are.
//!
//! Most receivers are believed by the machine's authorities and are shown nothing. A receiver can have a client
//! certificate of ours, and authorities of its own, which then are the only ones: both are in a [`Security`]. It names
//! what it was made of, and connections are kept under that name, so that none that was opened with one certificate
//! carries another's request, or another owner's.

use std::fmt;
use std::sync::Arc;

use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsConnector;

use crate::certificate::MAX_PEM_BYTES;
use crate::{Certificates, Error};

/// Sessions that may be resumed with one receiver: it has few names.
const SESSIONS: usize = 4;

/// What is special about the secure connections to one receiver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SecurityParts<'a> {
    /// Whose connections these are, such as a workspace's id: nobody else's requests go over them.
    pub owner: &'a str,
    /// The chain to show (PEM, our own certificate first) and its private key (PEM).
    pub client_certificate: Option<(&'a str, &'a str)>,
    /// Whose certificates the receiver may have (PEM), instead of those of the machine's authorities.
    pub authorities: Option<&'a str>,
}

/// The same, ready to connect. Clones share what they remember of receivers.
#[derive(Clone)]
pub struct Security {
    name: [u8; 32],
    connector: TlsConnector,
}

impl Security {
    pub(crate) fn new(parts: SecurityParts<'_>, machines: &Arc<RootCertStore>) -> Result<Self, Error> {
        let (certificate, key) = parts.client_certificate.unzip();
        let roots = match parts.authorities {
            Some(pem) => Arc::new(authorities(&Certificates::read(pem)?)?),
            None => Arc::clone(machines),
        };
        let shown = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(certified(&Certificates::read(certificate)?, key)?),
            _ => None,
        };
        let mut config = config(roots, shown);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Self {
            name: name(&[Some(parts.owner), certificate, key, parts.authorities]),
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Stands for what this was made of, without telling it.
    pub(crate) const fn name(&self) -> [u8; 32] {
        self.name
    }

    pub(crate) const fn connector(&self) -> &TlsConnector {
        &self.connector
    }
}

/// Shows no key.
impl fmt::Debug for Security {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Security").finish_non_exhaustive()
    }
}

/// Checks that a private key (PEM) can be used and belongs to the first of the certificates.
pub fn check_key(certificates: &Certificates, key: &str) -> Result<(), Error> {
    certified(certificates, key).map(drop)
}

/// Checks that certificates can be believed in as authorities.
pub fn check_authorities(certificates: &Certificates) -> Result<(), Error> {
    authorities(certificates).map(drop)
}

/// The machine's authorities and the given ones.
///
/// A machine without any can still call `http` URLs; to the others it fails as to an unknown authority.
pub(crate) fn machines_authorities(extra: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (_, unreadable) = roots.add_parsable_certificates(native.certs);
    for root in extra {
        if let Err(error) = roots.add(root.clone()) {
            tracing::warn!(error.chain = %error, "an additional certificate authority cannot be used");
        }
    }
    if roots.is_empty() {
        tracing::warn!(
            authorities.unreadable = unreadable,
            "no certificate authority was found, so no https URL can be called; install ca-certificates"
        );
    }
    roots
}

/// What all receivers without a [`Security`] of their own are connected to with.
pub(crate) fn ordinary(roots: Arc<RootCertStore>) -> TlsConnector {
    TlsConnector::from(Arc::new(config(roots, None)))
}

fn config(roots: Arc<RootCertStore>, shown: Option<CertifiedKey>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3 because it is built with both")
        .with_root_certificates(roots);
    let mut config = match shown {
        Some(shown) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn authorities(certificates: &Certificates) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates.der() {
        roots
            .add(certificate.clone())
            .map_err(|_unusable| Error::CertificateSyntax)?;
    }
    Ok(roots)
}

fn certified(certificates: &Certificates, key: &str) -> Result<CertifiedKey, Error> {
    if key.len() > MAX_PEM_BYTES {
        return Err(Error::PemTooLong { length: key.len() });
    }
    if key.contains("BEGIN ENCRYPTED PRIVATE KEY") || key.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Error::KeyEncrypted);
    }
    let parsed = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_invalid| Error::KeyPem)?;
    CertifiedKey::from_der(certificates.der().to_vec(), parsed, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Error::KeyMismatch,
        rustls::Error::InvalidCertificate(_) => Error::CertificateSyntax,
        _ => Error::KeyUnusable,
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Each part with its length, so that nothing can move from one into the next.
fn name(parts: &[Option<&str>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update([u8::from(part.is_some())]);
        let text = part.unwrap_or_default();
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn made() -> (Certificates, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["one.example".to_owned()]).unwrap();
        let pem = testkit::certificate::pem("CERTIFICATE", parameters.self_signed(&key).unwrap().der());
        let certificates = Certificates::read(&pem).unwrap();
        (
            certificates,
            testkit::certificate::pem("PRIVATE KEY", &key.serialize_der()),
        )
    }

    #[test]
    fn a_key_is_told_what_is_wrong_with_it() {
        let (certificates, key) = made();
        let (_, others) = made();
        assert_eq!(check_key(&certificates, &key), Ok(()));
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let broken = testkit::certificate::pem("PRIVATE KEY", &[1, 2, 3]);
        for (key, expected) in [
            (others.as_str(), Error::KeyMismatch),
            (&encrypted, Error::KeyEncrypted),
            ("", Error::KeyPem),
            (&certificates.to_pem(), Error::KeyPem),
            (&broken, Error::KeyUnusable),
        ] {
            assert_eq!(check_key(&certificates, key), Err(expected));
        }
    }

    #[test]
    fn connections_are_kept_apart_by_owner_certificate_key_and_authorities() {
        let (certificates, key) = made();
        let (other, others_key) = made();
        let (one, two) = (certificates.to_pem(), other.to_pem());
        let machines = Arc::new(RootCertStore::empty());
        let named = |owner, client_certificate, authorities| {
            let parts = SecurityParts {
                owner,
                client_certificate,
                authorities,
            };
            Security::new(parts, &machines).unwrap().name()
        };
        let pair = Some((one.as_str(), key.as_str()));
        let first = named("ws_a", pair, None);
        assert_eq!(first, named("ws_a", pair, None));
        for another in [
            named("ws_b", pair, None),
            named("ws_a", Some((&two, &others_key)), None),
            named("ws_a", None, None),
            named("ws_a", pair, Some(&one)),
            named("ws_a", pair, Some(&two)),
        ] {
            assert_ne!(first, another);
        }
    }
}
