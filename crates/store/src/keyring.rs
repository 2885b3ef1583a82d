//! Secrets at rest: XChaCha20-Poly1305 under a ring of master keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const NONCE_LENGTH: usize = 24;
const KEY_LENGTH: usize = 32;

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// A master key is not `id:base64 of 32 bytes`.
    #[error(
        "master key {position} is not `id:` and the base64 of 32 bytes; `hookyard keys generate` makes one"
    )]
    Key {
        /// Counted from 1.
        position: usize,
    },
    /// Two master keys have one id.
    #[error("two master keys have the id `{id}`")]
    Duplicate {
        /// Their id.
        id: String,
    },
    /// There is no key to seal with.
    #[error(
        "no master key is set, so no secret can be kept; `hookyard keys generate` makes one for HOOKYARD__SECRETS__MASTER_KEYS"
    )]
    Empty,
    /// The ledger has a secret under a key that is not in the ring.
    #[error(
        "a secret of {place} is sealed under the master key `{id}`, which is not in HOOKYARD__SECRETS__MASTER_KEYS"
    )]
    Unknown {
        /// The key's id.
        id: String,
        /// Table, row and column.
        place: String,
    },
    /// The bytes were not sealed by this key for this place, or were changed.
    #[error("a secret of {place} does not open: its bytes were changed or belong to another row")]
    Broken {
        /// Table, row and column.
        place: String,
    },
}

struct MasterKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// The master keys: the first seals, all open. Rotation is a new first key; old values are re-sealed
/// when their rows are written, or all at once by [`crate::Store::reseal`].
///
/// A sealed value is `version (1) | length of the key's id (1) | id | nonce (24) | ciphertext and tag`, with the table,
/// row and column as associated data, so that a value copied to another row does not open.
#[derive(Clone)]
pub struct KeyRing(Arc<[MasterKey]>);

impl KeyRing {
    /// Reads keys of the form `id:base64`, the base64 of 32 bytes.
    pub fn parse(keys: &[SecretString]) -> Result<Self, KeyRingError> {
        let mut ring: Vec<MasterKey> = Vec::with_capacity(keys.len());
        for (index, text) in keys.iter().enumerate() {
            let refused = || KeyRingError::Key { position: index + 1 };
            let (id, encoded) = text.expose_secret().split_once(':').ok_or_else(refused)?;
            let bytes = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_malformed| refused())?);
            if id.is_empty() || id.len() > 64 || bytes.len() != KEY_LENGTH {
                return Err(refused());
            }
            if ring.iter().any(|key| key.id == id) {
                return Err(KeyRingError::Duplicate { id: id.to_owned() });
            }
            let cipher = XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_length| refused())?;
            ring.push(MasterKey {
                id: id.to_owned(),
                cipher,
            });
        }
        Ok(Self(ring.into()))
    }

    /// Writes a new key in the form that [`KeyRing::parse`] reads. `random` must come from a secure generator.
    pub fn new_key(id: &str, random: [u8; 32]) -> SecretString {
        format!("{id}:{}", STANDARD.encode(random)).into()
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys' ids, in their order: the first seals.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

    /// The id of the key that a value is sealed under, from the value or its first 66 bytes.
    pub(crate) fn key_of(bytes: &[u8]) -> Option<&str> {
        let (&[VERSION, length], rest) = bytes.split_first_chunk::<2>()? else {
            return None;
        };
        std::str::from_utf8(rest.get(..usize::from(length))?).ok()
    }

    /// Seals `secret` for `place`, which is `table/row/column`.
    pub(crate) fn seal(
        &self,
        place: &str,
        secret: &[u8],
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<Vec<u8>, KeyRingError> {
        let key = self.0.first().ok_or(KeyRingError::Empty)?;
        let payload = Payload {
            msg: secret,
            aad: place.as_bytes(),
        };
        let broken = |_opaque| KeyRingError::Broken {
            place: place.to_owned(),
        };
        let sealed = key
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(broken)?;
        let id_length = u8::try_from(key.id.len()).map_err(|_too_long| KeyRingError::Empty)?;
        let mut bytes = vec![VERSION, id_length];
        bytes.extend_from_slice(key.id.as_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens what [`KeyRing::seal`] made for the same place.
    pub(crate) fn open(&self, place: &str, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
        let broken = || KeyRingError::Broken {
            place: place.to_owned(),
        };
        let (head, rest) = bytes.split_at_checked(2).ok_or_else(broken)?;
        let [VERSION, id_length] = *head else {
            return Err(broken());
        };
        let (id, rest) = rest.split_at_checked(usize::from(id_length)).ok_or_else(broken)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LENGTH).ok_or_else(broken)?;
        let key = self
            .0
            .iter()
            .find(|key| key.id.as_bytes() == id)
            .ok_or_else(|| KeyRingError::Unknown {
                id: String::from_utf8_lossy(id).into_owned(),
                place: place.to_owned(),
            })?;
        let nonce = <[u8; NONCE_LENGTH]>::try_from(nonce).map_err(|_length| broken())?;
        let payload = Payload {
            msg: sealed,
            aad: place.as_bytes(),
        };
        key.cipher
            .decrypt(&XNonce::from(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_opaque| broken())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.0.iter().map(|key| &key.id))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(ids: &[(&str, u8)]) -> KeyRing {
        let keys: Vec<SecretString> = ids
            .iter()
            .map(|(id, byte)| KeyRing::new_key(id, [*byte; 32]))
            .collect();
        KeyRing::parse(&keys).unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_only_in_its_place() {
        let ring = ring(&[("a", 1)]);
        let sealed = ring.seal("sources/so_1/sealed", b"whsec_x", [9; 24]).unwrap();
        assert_eq!(&**ring.open("sources/so_1/sealed", &sealed).unwrap(), b"whsec_x");
        assert!(matches!(
            ring.open("sources/so_2/sealed", &sealed),
            Err(KeyRingError::Broken { .. })
        ));
        assert!(!sealed.windows(7).any(|window| window == b"whsec_x"));
    }

    #[test]
    fn an_old_key_still_opens_after_rotation_and_a_removed_one_is_named() {
        let sealed = ring(&[("old", 1)]).seal("p", b"secret", [0; 24]).unwrap();
        assert_eq!(
            &**ring(&[("new", 2), ("old", 1)]).open("p", &sealed).unwrap(),
            b"secret"
        );
        assert_eq!(
            ring(&[("new", 2)]).open("p", &sealed).unwrap_err(),
            KeyRingError::Unknown {
                id: "old".to_owned(),
                place: "p".to_owned()
            }
        );
    }

    #[test]
    fn malformed_keys_are_refused_by_position_and_never_shown() {
        let bad = KeyRing::parse(&[KeyRing::new_key("a", [0; 32]), "b:dG9vc2hvcnQ=".into()]).unwrap_err();
        assert_eq!(bad, KeyRingError::Key { position: 2 });
        assert_eq!(format!("{:?}", ring(&[("a", 1)])), r#"["a"]"#);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_never_open(bytes: Vec<u8>) {
            prop_assert!(ring(&[("a", 1)]).open("p", &bytes).is_err());
        }

        #[test]
        fn any_flipped_bit_is_noticed(secret: Vec<u8>, at: usize, bit in 0_u8..8) {
            let ring = ring(&[("a", 1)]);
            let mut sealed = ring.seal("p", &secret, [3; 24]).unwrap();
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert!(ring.open("p", &sealed).is_err());
        }
    }
}
