//! Making secrets, and comparing them without saying how much of them is right.

use crate::check::{Fields, value};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::SigningSecret;
use subtle::ConstantTimeEq;
use wire::Instant;

/// More secrets at a time would cost every request and every delivery as many signatures.
pub(crate) const MOST_SECRETS: usize = 8;

/// A new token: `prefix` and 192 bits of randomness in lower-case hexadecimal.
pub(crate) fn generate_token(prefix: &str) -> SecretString {
    let random: [u8; 24] = rand::random();
    SecretString::from(format!("{prefix}{}", hex::encode(random)))
}

/// A new `whsec_…` of 256 bits.
pub(crate) fn generate_signing() -> SecretString {
    signature::generate_secret(&rand::random())
}

/// A new secret of the kind that this sender takes, if it takes any.
pub(crate) fn generate_for(sender: &signature::Profile) -> SecretString {
    sender.generate_secret(&rand::random())
}

/// What an endpoint's deliveries are signed with: Standard Webhooks 1.0, "Signature scheme".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signing {
    /// HMAC-SHA256, with a secret that the receiver knows.
    V1,
    /// Ed25519: the receiver knows the public key, and nobody has to see the private one.
    V1a,
}

impl Signing {
    /// Reads `v1` or `v1a`.
    pub(crate) fn read(value: &Value) -> Result<Self, value::Refused> {
        match value::any_text(value)? {
            "v1" => Ok(Self::V1),
            "v1a" => Ok(Self::V1a),
            _ => Err(value::Refused::new("must be `v1` or `v1a`")),
        }
    }

    /// What this secret signs with.
    pub(crate) fn of(secret: &SecretString) -> Self {
        match public_key(secret) {
            None => Self::V1,
            Some(_) => Self::V1a,
        }
    }

    /// What the newest of an endpoint's secrets signs with.
    pub(crate) fn current(secrets: &[SigningSecret]) -> Self {
        let newest = secrets.iter().find(|secret| secret.expires_at.is_none());
        newest.map_or(Self::V1, |secret| Self::of(&secret.value))
    }

    /// A new secret.
    pub(crate) fn generate(self) -> SecretString {
        match self {
            Self::V1 => generate_signing(),
            Self::V1a => signature::generate_signing_key(&rand::random()),
        }
    }
}

/// The `whpk_…` of a secret that has one.
pub(crate) fn public_key(secret: &SecretString) -> Option<String> {
    signature::SigningKey::parse(secret).ok()?.public_key()
}

/// A signing secret that counts from now on, named by its age and a random part.
pub(crate) fn signing(value: SecretString, now: Instant) -> SigningSecret {
    let random: [u8; 4] = rand::random();
    SigningSecret {
        id: format!("sec_{}", hex::encode(random)),
        value,
        created_at: now,
        expires_at: None,
    }
}

/// These secrets in the place of those that are there. When they are the same, those stay as they are, also beside one
/// that is being rotated out.
pub(crate) fn replace(
    existing: &[SigningSecret],
    given: Vec<SecretString>,
    now: Instant,
) -> Vec<SigningSecret> {
    let current: Vec<&SigningSecret> = existing
        .iter()
        .filter(|secret| secret.expires_at.is_none())
        .collect();
    let is_same = current.len() == given.len()
        && current
            .iter()
            .zip(&given)
            .all(|(one, other)| one.value.expose_secret() == other.expose_secret());
    if is_same {
        return existing.to_vec();
    }
    given.into_iter().map(|value| signing(value, now)).collect()
}

/// How a secret is replaced by a new one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    /// How long the old one goes on counting.
    overlap: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            overlap: Duration::from_hours(24),
        }
    }
}

impl Rotation {
    /// A rotation with this overlap.
    pub(crate) const fn lasting(overlap: Duration) -> Self {
        Self { overlap }
    }

    /// Reads `{overlap: "24h"}`, 0 to 7 days; a day unless it is said.
    pub(crate) fn read(fields: &mut Fields<'_>) -> Self {
        let Self { mut overlap } = Self::default();
        fields.set(
            "overlap",
            &mut overlap,
            value::duration(Duration::ZERO..=Duration::from_hours(7 * 24)),
        );
        Self { overlap }
    }

    /// The new secret first, and behind it the old ones that still count for a while.
    pub(crate) fn rotate(
        self,
        old: Vec<SigningSecret>,
        new: SecretString,
        now: Instant,
    ) -> Vec<SigningSecret> {
        let end = now + self.overlap;
        let expiring = old.into_iter().map(|secret| SigningSecret {
            expires_at: Some(secret.expires_at.map_or(end, |earlier| earlier.min(end))),
            ..secret
        });
        let live = expiring
            .filter(|secret| secret.is_live(now))
            .take(MOST_SECRETS - 1);
        std::iter::once(signing(new, now)).chain(live).collect()
    }
}

/// What is kept of a secret that only has to be recognised.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whether two secrets are the same, in a time that says nothing about them but their equality.
pub(crate) fn is_same(one: &SecretString, other: &str) -> bool {
    hash(one.expose_secret()).ct_eq(&hash(other)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (generate_token("src_"), generate_token("src_"));
        assert_eq!(one.expose_secret().len(), 4 + 48);
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert!(signature::SigningKey::parse(&generate_signing()).is_ok());
    }

    #[test]
    fn the_old_secret_counts_for_the_overlap_and_no_longer() {
        let now = Instant::from_unix_micros(0);
        let rotation = Rotation {
            overlap: Duration::from_mins(1),
        };
        let first = vec![signing(SecretString::from("one"), now)];
        let second = rotation.rotate(first, SecretString::from("two"), now);
        assert_eq!(values(&second), ["two", "one"]);
        assert_eq!(second[1].expires_at, Some(now + Duration::from_mins(1)));
        let third = rotation.rotate(second, SecretString::from("three"), now + Duration::from_secs(30));
        assert_eq!(values(&third), ["three", "two", "one"]);
        assert_eq!(third[2].expires_at, Some(now + Duration::from_mins(1)));
        let at_once = Rotation {
            overlap: Duration::ZERO,
        };
        assert_eq!(
            values(&at_once.rotate(third, SecretString::from("four"), now)),
            ["four"]
        );
    }

    fn values(secrets: &[SigningSecret]) -> Vec<&str> {
        secrets
            .iter()
            .map(|secret| secret.value.expose_secret())
            .collect()
    }

    #[test]
    fn what_a_secret_signs_with_is_seen_from_it() {
        for signing in [Signing::V1, Signing::V1a] {
            let secret = signing.generate();
            assert_eq!(Signing::of(&secret), signing);
            assert_eq!(public_key(&secret).is_some(), signing == Signing::V1a);
        }
        assert_eq!(serde_json::to_value(Signing::V1a).unwrap(), "v1a");
    }

    #[test]
    fn equal_secrets_are_recognised() {
        let secret = SecretString::from("nhm_a");
        assert!(is_same(&secret, "nhm_a"));
        assert!(!is_same(&secret, "nhm_b") && !is_same(&secret, "nhm_"));
    }
}
