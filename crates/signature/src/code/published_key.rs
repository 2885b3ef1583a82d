//! RSA keys that providers publish as certificates, and signatures made with them.

use ring::signature::{RsaParameters, UnparsedPublicKey};

use crate::der;
use crate::key::public_key_of_pem;
use crate::reason::Reason;

/// The key of a certificate, or a bare public key.
#[derive(Debug)]
pub(crate) struct PublishedKey(Vec<u8>);

impl PublishedKey {
    /// Reads a PEM document.
    pub(crate) fn from_pem(text: &str) -> Option<Self> {
        public_key_of_pem(text).map(Self)
    }

    /// Checks an RSA signature over `content`.
    pub(crate) fn verify(
        &self,
        algorithm: &'static RsaParameters,
        content: &[u8],
        signature: &[u8],
    ) -> Result<(), Reason> {
        let length = der::rsa_signature_length(&self.0).ok_or(Reason::KeyUntrusted)?;
        if signature.len() != length {
            return Err(Reason::SignatureMalformed);
        }
        let key = UnparsedPublicKey::new(algorithm, &self.0);
        key.verify(content, signature)
            .ok()
            .ok_or(Reason::SignatureMismatch)
    }
}
