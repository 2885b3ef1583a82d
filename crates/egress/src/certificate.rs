//! Certificates as their owners paste them: PEM, read once into what can be checked, shown and kept.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject, SectionKind};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;

/// Longer PEM is refused: a chain of [`MAX_CERTIFICATES`] is not half as long.
pub const MAX_PEM_BYTES: usize = 64 * 1024;

/// A longer chain is refused by most servers, and a longer list of authorities is somebody's whole trust store.
pub const MAX_CERTIFICATES: usize = 16;

/// Subjects are cut here when they are shown.
const MAX_SUBJECT_CHARS: usize = 256;

/// What of a certificate is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is: `CN=shop.example, O=Acme`. Empty where it has alternative names alone.
    pub subject: String,
    /// From when on it counts, in seconds since 1970.
    pub not_before: i64,
    /// Until when it counts, in seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of the whole certificate, in hexadecimal: what `openssl x509 -fingerprint -sha256` shows, without
    /// the colons.
    pub fingerprint: String,
}

/// One certificate or more, in the order in which they stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    der: Vec<CertificateDer<'static>>,
    shown: Vec<Certificate>,
}

impl Certificates {
    /// Reads PEM. What stands around the certificates (the habit of `openssl s_client`) is dropped; a private key among
    /// them is refused, because certificates are not kept as a secret.
    pub fn read(pem: &str) -> Result<Self, Error> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(Error::PemTooLong { length: pem.len() });
        }
        // Also one with a passphrase, which the parser passes over.
        if pem.contains("PRIVATE KEY-----") {
            return Err(Error::CertificateHasKey);
        }
        let mut der = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
            let (kind, bytes) = section.map_err(|_invalid| Error::CertificatePem)?;
            if kind == SectionKind::Certificate {
                der.push(CertificateDer::from(bytes));
            }
        }
        if der.is_empty() {
            return Err(Error::CertificatePem);
        }
        if der.len() > MAX_CERTIFICATES {
            return Err(Error::CertificateCount { count: der.len() });
        }
        let shown = der.iter().map(show).collect::<Result<_, _>>()?;
        Ok(Self { der, shown })
    }

    /// What is shown of them; at least one.
    pub fn shown(&self) -> &[Certificate] {
        &self.shown
    }

    /// Refuses one that does not count at this time, in seconds since 1970.
    pub fn check_dates(&self, now: i64) -> Result<(), Error> {
        for certificate in &self.shown {
            let subject = || certificate.subject.clone();
            if now > certificate.not_after {
                return Err(Error::CertificateExpired { subject: subject() });
            }
            if now < certificate.not_before {
                return Err(Error::CertificateNotYet { subject: subject() });
            }
        }
        Ok(())
    }

    /// The certificates alone, each in lines of 64 characters: the same for the same certificates, however they were
    /// pasted.
    pub fn to_pem(&self) -> String {
        let mut pem = String::new();
        for der in &self.der {
            let text = STANDARD.encode(der);
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            for line in text.as_bytes().chunks(64) {
                pem.extend(line.iter().copied().map(char::from));
                pem.push('\n');
            }
            pem.push_str("-----END CERTIFICATE-----\n");
        }
        pem
    }

    pub(crate) fn der(&self) -> &[CertificateDer<'static>] {
        &self.der
    }
}

fn show(der: &CertificateDer<'static>) -> Result<Certificate, Error> {
    let (rest, parsed) = X509Certificate::from_der(der).map_err(|_invalid| Error::CertificateSyntax)?;
    if !rest.is_empty() {
        return Err(Error::CertificateSyntax);
    }
    let plain = parsed.subject().to_string();
    let mut fingerprint = String::with_capacity(64);
    for byte in Sha256::digest(der) {
        // Writing to a text cannot fail.
        let _ = write!(fingerprint, "{byte:02x}");
    }
    Ok(Certificate {
        subject: plain
            .chars()
            .filter(|letter| !letter.is_control())
            .take(MAX_SUBJECT_CHARS)
            .collect(),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        fingerprint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn made(name: &str) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let der = parameters.self_signed(&key).unwrap().der().clone();
        let shown = show(&der).unwrap();
        let certificates = Certificates {
            der: vec![der],
            shown: vec![shown],
        };
        (certificates.to_pem(), key)
    }

    #[test]
    fn certificates_are_shown_by_subject_dates_and_fingerprint() {
        let (one, _) = made("one.example");
        let (two, _) = made("two.example");
        let text = format!("Bag Attributes\n    friendlyName: a\n{one}\nissuer: b\n{two}");
        let read = Certificates::read(&text).unwrap();
        let [first, second] = read.shown() else {
            panic!("{read:?}")
        };
        // 2020-01-01 and 2030-01-01.
        assert_eq!(
            (first.not_before, first.not_after),
            (1_577_836_800, 1_893_456_000)
        );
        assert!(first.subject.contains("CN=one.example"), "{}", first.subject);
        assert!(second.subject.contains("CN=two.example"), "{}", second.subject);
        assert_eq!(first.fingerprint.len(), 64);
        assert_ne!(first.fingerprint, second.fingerprint);
        let kept = read.to_pem();
        assert_eq!(kept, format!("{one}{two}"));
        assert_eq!(Certificates::read(&kept).unwrap(), read);
    }

    #[test]
    fn dates_are_checked_to_the_second() {
        let (pem, _) = made("one.example");
        let read = Certificates::read(&pem).unwrap();
        let subject = || read.shown()[0].subject.clone();
        assert_eq!(read.check_dates(1_577_836_800), Ok(()));
        assert_eq!(read.check_dates(1_893_456_000), Ok(()));
        let early = Error::CertificateNotYet { subject: subject() };
        assert_eq!(read.check_dates(1_577_836_799), Err(early));
        let late = Error::CertificateExpired { subject: subject() };
        assert_eq!(read.check_dates(1_893_456_001), Err(late));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let (pem, key) = made("one.example");
        let broken = pem.replacen("MII", "AII", 1);
        let cut = pem.replace("-----END CERTIFICATE-----", "");
        let many = pem.repeat(MAX_CERTIFICATES + 1);
        let with_key = format!("{pem}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        let long = "-".repeat(MAX_PEM_BYTES + 1);
        let key_alone = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(key.public_key_raw())
        );
        for (text, expected) in [
            ("", Error::CertificatePem),
            ("MIIB", Error::CertificatePem),
            (&key_alone, Error::CertificatePem),
            (&cut, Error::CertificatePem),
            (&broken, Error::CertificateSyntax),
            (&with_key, Error::CertificateHasKey),
            (
                &many,
                Error::CertificateCount {
                    count: MAX_CERTIFICATES + 1,
                },
            ),
            (
                &long,
                Error::PemTooLong {
                    length: MAX_PEM_BYTES + 1,
                },
            ),
        ] {
            assert_eq!(Certificates::read(text), Err(expected), "{text}");
        }
    }
}
