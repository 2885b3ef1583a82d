//! Certificates for tests: authorities, and what they issue.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate with its key.
#[derive(Debug)]
pub struct Certified {
    parameters: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
}

impl Certified {
    /// An authority that trusts itself.
    pub fn authority(name: &str) -> Self {
        let mut parameters = parameters(name, &[]);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the system has randomness");
        let made = parameters.self_signed(&key).expect("an authority can be signed");
        Self {
            der: made.der().to_vec(),
            parameters,
            key,
        }
    }

    /// A certificate for this host or client, valid for ever.
    pub fn issue(&self, name: &str) -> Self {
        self.issue_with(parameters(name, &[name]))
    }

    /// A certificate that counts from the first day of one year to that of another.
    pub fn issue_between(&self, name: &str, from: i32, until: i32) -> Self {
        let mut parameters = parameters(name, &[name]);
        parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        self.issue_with(parameters)
    }

    fn issue_with(&self, parameters: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("the system has randomness");
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let made = parameters
            .signed_by(&key, &issuer)
            .expect("an authority can sign");
        Self {
            der: made.der().to_vec(),
            parameters,
            key,
        }
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its private key, PKCS #8.
    pub fn key_der(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    /// The certificate, PEM.
    pub fn certificate(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// Its private key, PEM.
    pub fn key(&self) -> String {
        pem("PRIVATE KEY", &self.key_der())
    }
}

fn parameters(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts).expect("the name of a test is one of DNS");
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

/// Bytes as PEM of this kind, such as `CERTIFICATE`.
pub fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {kind}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.extend(["-----END ", kind, "-----\n"]);
    pem
}
