//! Signing what goes out: Standard Webhooks, `v1` (HMAC-SHA256) and `v1a` (Ed25519).
//!
//! Source: the Standard Webhooks specification 1.0, "Signature scheme". While a secret is being
//! rotated, one delivery carries a signature per key, separated by spaces, the newest first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::SignatureError;

/// The `webhook-…` headers of a delivery.
pub const ID_HEADER: &str = "webhook-id";
/// Seconds since 1970, of this attempt.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// `v1,<base64>`, several while a secret is rotated.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// A key that signs deliveries, ready to use. Make it once per endpoint and keep it.
#[derive(Debug)]
pub struct SigningKey(Kind);

#[derive(Debug)]
enum Kind {
    /// `v1`.
    Symmetric(hmac::Key),
    /// `v1a`.
    Asymmetric(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// Reads `whsec_…` (24 to 64 bytes in base64; the prefix may be left out) or `whsk_…` (an
    /// Ed25519 seed, alone or followed by its public key).
    ///
    /// # Errors
    ///
    /// [`SignatureError::SigningSecret`], without a part of the secret.
    pub fn parse(secret: &SecretString) -> Result<Self, SignatureError> {
        let text = secret.expose_secret();
        if let Some(encoded) = text.strip_prefix("whsk_") {
            return Ok(Self(Kind::Asymmetric(Box::new(key_pair(&decoded(encoded)?)?))));
        }
        let bytes = decoded(text.strip_prefix("whsec_").unwrap_or(text))?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(SignatureError::SigningSecret("its length is not 24 to 64 bytes"));
        }
        Ok(Self(Kind::Symmetric(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
    }

    /// The `whpk_…` that a receiver verifies `v1a` with; nothing for a symmetric key.
    pub fn public_key(&self) -> Option<String> {
        match &self.0 {
            Kind::Symmetric(_) => None,
            Kind::Asymmetric(pair) => Some(format!("whpk_{}", STANDARD.encode(pair.public_key()))),
        }
    }
}

/// The value of `webhook-signature`: one signature per key, in the order of `keys`.
pub fn sign<'k>(
    keys: impl IntoIterator<Item = &'k SigningKey>,
    id: &str,
    timestamp_unix: i64,
    body: &[u8],
) -> String {
    let keys = keys.into_iter();
    let head = format!("{id}.{timestamp_unix}.");
    let mut value = String::with_capacity(keys.size_hint().0.saturating_mul(96));
    for key in keys {
        if !value.is_empty() {
            value.push(' ');
        }
        match &key.0 {
            Kind::Symmetric(key) => {
                let mut context = hmac::Context::with_key(key);
                context.update(head.as_bytes());
                context.update(body);
                value.push_str("v1,");
                STANDARD.encode_string(context.sign(), &mut value);
            }
            Kind::Asymmetric(pair) => {
                value.push_str("v1a,");
                STANDARD.encode_string(pair.sign(&[head.as_bytes(), body].concat()), &mut value);
            }
        }
    }
    value
}

/// A new `whsec_…` from 32 bytes of the caller's randomness.
pub fn generate_secret(randomness: &[u8; 32]) -> SecretString {
    SecretString::from(format!("whsec_{}", STANDARD.encode(randomness)))
}

/// A new `whsk_…` from 32 bytes of the caller's randomness; its [`SigningKey`] knows the public key.
pub fn generate_signing_key(randomness: &[u8; 32]) -> SecretString {
    let pair = Ed25519KeyPair::from_seed_unchecked(randomness).expect("32 bytes are always a seed");
    let bytes = Zeroizing::new([randomness.as_slice(), pair.public_key().as_ref()].concat());
    SecretString::from(format!("whsk_{}", STANDARD.encode(&*bytes)))
}

fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, SignatureError> {
    let bytes = STANDARD
        .decode(text)
        .ok()
        .ok_or(SignatureError::SigningSecret("it is not padded base64"))?;
    Ok(Zeroizing::new(bytes))
}

fn key_pair(bytes: &[u8]) -> Result<Ed25519KeyPair, SignatureError> {
    let pair = match bytes.split_at_checked(32) {
        Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
        Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
        None => return Err(SignatureError::SigningSecret("an Ed25519 key has 32 or 64 bytes")),
    };
    pair.ok().ok_or(SignatureError::SigningSecret(
        "its public half does not belong to its private half",
    ))
}
