//! The algorithms of schemes: what one signature looks like, and whether it is right.
//!
//! Everything secret is compared in constant time: digests with `subtle`, tokens by the digests of
//! both sides, so that not even their length shows.

use ring::digest::{self, SHA256};
use ring::hmac;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::content::Resolved;
use crate::decode::Encoding;
use crate::reason::Reason;

/// What a scheme does with the content and the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Algorithm {
    HmacSha1,
    #[default]
    HmacSha256,
    HmacSha384,
    HmacSha512,
    /// A plain hash; the content holds the secret.
    Sha256,
    Ed25519,
    EcdsaP256Sha256,
    /// The field is the secret. Says nothing about the body.
    Token,
    /// HTTP Basic; the secret is `user:password`.
    Basic,
}

impl Algorithm {
    /// True for the keyed hashes, which are easily confused.
    pub(crate) fn is_hmac(self) -> bool {
        matches!(
            self,
            Self::HmacSha1 | Self::HmacSha256 | Self::HmacSha384 | Self::HmacSha512
        )
    }

    /// True if the field carries the secret itself, so that nobody may see it.
    pub(crate) fn reveals_the_secret(self) -> bool {
        matches!(self, Self::Token | Self::Basic)
    }

    /// The signature that `text` stands for.
    pub(crate) fn decode(self, text: &str, encoding: Encoding) -> Result<Vec<u8>, Reason> {
        let decoded = match self {
            Self::Token => Some(text.as_bytes().to_vec()),
            Self::Basic => basic_credentials(text),
            _ => encoding.decode(text).filter(|bytes| self.has_length_of(bytes)),
        };
        decoded.ok_or(Reason::SignatureMalformed)
    }

    /// Refuses a key that no signature can be checked with.
    pub(crate) fn check_key(self, key: &[u8]) -> Result<(), &'static str> {
        match self {
            Self::Ed25519 if key.len() != 32 => Err("an Ed25519 public key has 32 bytes"),
            Self::EcdsaP256Sha256 if key.len() != 65 => Err("a P-256 public key has 65 bytes"),
            Self::Basic if !key.contains(&b':') => Err("it is not `user:password`"),
            _ => Ok(()),
        }
    }

    fn has_length_of(self, signature: &[u8]) -> bool {
        match self {
            Self::HmacSha1 => signature.len() == 20,
            Self::HmacSha256 | Self::Sha256 => signature.len() == 32,
            Self::HmacSha384 => signature.len() == 48,
            Self::HmacSha512 | Self::Ed25519 => signature.len() == 64,
            Self::EcdsaP256Sha256 => is_der_sequence(signature),
            Self::Token | Self::Basic => true,
        }
    }

    /// Signs the content, or says that this algorithm can only verify.
    pub(crate) fn expected(self, content: &Resolved<'_>, url: &str, key: &[u8]) -> Expected {
        match self {
            Self::HmacSha1 => mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, content, url, key),
            Self::HmacSha256 => mac(hmac::HMAC_SHA256, content, url, key),
            Self::HmacSha384 => mac(hmac::HMAC_SHA384, content, url, key),
            Self::HmacSha512 => mac(hmac::HMAC_SHA512, content, url, key),
            Self::Sha256 => {
                let mut hasher = digest::Context::new(&SHA256);
                content.feed(url, key, |bytes| hasher.update(bytes));
                Expected::Digest(hasher.finish())
            }
            Self::Ed25519 => Expected::Verifier(&ED25519, content.joined(url, key)),
            Self::EcdsaP256Sha256 => Expected::Verifier(&ECDSA_P256_SHA256_ASN1, content.joined(url, key)),
            Self::Token | Self::Basic => Expected::Text,
        }
    }
}

/// What a signature is compared with, for one key and one URL.
pub(crate) enum Expected {
    Mac(hmac::Tag),
    Digest(digest::Digest),
    Verifier(&'static dyn VerificationAlgorithm, Vec<u8>),
    Text,
}

impl Expected {
    /// True if `signature` is right.
    pub(crate) fn matches(&self, signature: &[u8], key: &[u8]) -> bool {
        match self {
            Self::Mac(tag) => is_equal(tag.as_ref(), signature),
            Self::Digest(digest) => is_equal(digest.as_ref(), signature),
            Self::Verifier(algorithm, content) => UnparsedPublicKey::new(*algorithm, key)
                .verify(content, signature)
                .is_ok(),
            Self::Text => is_equal_text(key, signature),
        }
    }

    /// The first bytes of the expected digest, to compare by eye.
    pub(crate) fn preview(&self, encoding: Encoding) -> Option<String> {
        let digest = match self {
            Self::Mac(tag) => tag.as_ref(),
            Self::Digest(digest) => digest.as_ref(),
            Self::Verifier(..) | Self::Text => return None,
        };
        Some(encoding.encode(digest).chars().take(8).collect())
    }
}

fn mac(algorithm: hmac::Algorithm, content: &Resolved<'_>, url: &str, key: &[u8]) -> Expected {
    let mut hasher = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    content.feed(url, key, |bytes| hasher.update(bytes));
    Expected::Mac(hasher.sign())
}

/// Compares two digests. Their lengths are public.
pub(crate) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Compares two texts by their digests, so that the time says nothing about either, not even a length.
pub(crate) fn is_equal_text(one: &[u8], other: &[u8]) -> bool {
    is_equal(
        digest::digest(&SHA256, one).as_ref(),
        digest::digest(&SHA256, other).as_ref(),
    )
}

/// The `user:password` of an `Authorization` header (RFC 7617).
fn basic_credentials(text: &str) -> Option<Vec<u8>> {
    let (scheme, credentials) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    Encoding::Base64.decode(credentials.trim_ascii())
}

/// A DER `SEQUENCE` of exactly this length, as an ECDSA signature is; two numbers of 33 bytes at most.
fn is_der_sequence(signature: &[u8]) -> bool {
    match signature {
        [0x30, length, rest @ ..] => (6..=70).contains(length) && usize::from(*length) == rest.len(),
        _ => false,
    }
}
