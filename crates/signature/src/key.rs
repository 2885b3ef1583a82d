//! Secrets, and the key material that a scheme makes of them.

use std::ops::Deref;

use ring::digest::{SHA256, digest};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::decode::Encoding;
use crate::der;

/// One secret of a source. Several may be valid at once, while one is being rotated out.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Names the secret in verdicts; never a part of it.
    pub id: String,
    /// The text as the provider shows it to its users.
    pub value: SecretString,
}

impl Secret {
    /// A secret with its id.
    pub fn new(id: impl Into<String>, value: impl Into<SecretString>) -> Self {
        Self {
            id: id.into(),
            value: value.into(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        self.value.expose_secret()
    }
}

/// The compiled `key:` of a scheme: how the text of a secret becomes a key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeyRule {
    pub(crate) encoding: KeyEncoding,
    /// A prefix to drop, if it is there.
    strip: String,
    derive: Option<Derivation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyEncoding {
    #[default]
    Utf8,
    Hex,
    Base64,
    /// The base64 of a `SubjectPublicKeyInfo`.
    SpkiBase64,
    /// A `PUBLIC KEY` or a `CERTIFICATE` in PEM.
    Pem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Derivation {
    Sha256,
}

/// The bytes of a key. Decoded ones are wiped when they are dropped.
#[derive(Debug)]
pub(crate) enum Material<'a> {
    Text(&'a str),
    Decoded(Zeroizing<Vec<u8>>),
}

impl Deref for Material<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Decoded(bytes) => bytes,
        }
    }
}

impl KeyRule {
    /// The key that `secret` stands for; the error says why it stands for none.
    ///
    /// An empty key is no key: anyone can sign with it.
    pub(crate) fn material<'a>(&self, secret: &'a Secret) -> Result<Material<'a>, &'static str> {
        let text = secret.text();
        let text = text.strip_prefix(self.strip.as_str()).unwrap_or(text);
        let material = match self.encoding {
            KeyEncoding::Utf8 => Material::Text(text),
            KeyEncoding::Hex => decoded(Encoding::Hex.decode(text).ok_or("it is not hexadecimal")?),
            KeyEncoding::Base64 => decoded(Encoding::Base64.decode(text).ok_or("it is not padded base64")?),
            KeyEncoding::SpkiBase64 => {
                let info = Encoding::Base64
                    .decode(text.trim_ascii())
                    .ok_or("it is not padded base64")?;
                decoded(
                    der::key_of_spki(&info)
                        .ok_or("it is not a SubjectPublicKeyInfo")?
                        .to_vec(),
                )
            }
            KeyEncoding::Pem => decoded(public_key_of_pem(text).ok_or("it is not a public key in PEM")?),
        };
        if material.is_empty() {
            return Err("it is empty");
        }
        Ok(match self.derive {
            Some(Derivation::Sha256) => decoded(digest(&SHA256, &material).as_ref().to_vec()),
            None => material,
        })
    }
}

fn decoded<'a>(bytes: Vec<u8>) -> Material<'a> {
    Material::Decoded(Zeroizing::new(bytes))
}

/// The key bits of a `PUBLIC KEY` or `CERTIFICATE` block.
pub(crate) fn public_key_of_pem(text: &str) -> Option<Vec<u8>> {
    if let Some(info) = der::pem(text, "PUBLIC KEY") {
        return der::key_of_spki(&info).map(<[u8]>::to_vec);
    }
    der::key_of_certificate(&der::pem(text, "CERTIFICATE")?).map(<[u8]>::to_vec)
}
