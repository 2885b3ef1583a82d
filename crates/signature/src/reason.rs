//! Why a request was refused: a closed set whose names are part of the outside contract.

use std::fmt;

use crate::request::Repeated;

/// The reason of an invalid verdict.
///
/// Senders only ever see one 401. The reason goes to the rejection, the console and a metric's
/// label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A header or key that decides the verdict came more than once, or there were over 8 signatures.
    HeaderDuplicated,
    /// There is no signature, or it is empty, or only of versions that the scheme does not know.
    SignatureMissing,
    /// The signature is not in its canonical encoding or does not have the algorithm's length.
    SignatureMalformed,
    /// There is no timestamp.
    TimestampMissing,
    /// The timestamp is not a number of at most 16 digits, or not an RFC 3339 time.
    TimestampMalformed,
    /// The timestamp is too far from now, in either direction.
    TimestampOutOfTolerance,
    /// No secret, URL variant and signature agree.
    SignatureMismatch,
    /// A value that was signed or is required is absent.
    FieldMissing,
    /// The key's URL is not on its provider's list, or no key was at hand.
    KeyUntrusted,
}

impl Reason {
    /// The published name, such as `signature_mismatch`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeaderDuplicated => "header_duplicated",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureMalformed => "signature_malformed",
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampMalformed => "timestamp_malformed",
            Self::TimestampOutOfTolerance => "timestamp_out_of_tolerance",
            Self::SignatureMismatch => "signature_mismatch",
            Self::FieldMissing => "field_missing",
            Self::KeyUntrusted => "key_untrusted",
        }
    }

    /// What an operator can do about it, in a sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::HeaderDuplicated => {
                "a proxy may be adding headers; each must reach the source exactly once"
            }
            Self::SignatureMissing => {
                "check that signing is switched on at the sender and that the source has the right provider"
            }
            Self::SignatureMalformed => {
                "the signature was cut or re-encoded on its way; compare it with what the sender logged"
            }
            Self::TimestampMissing => "a proxy may be dropping the timestamp header",
            Self::TimestampMalformed => {
                "the sender's clock format is not this scheme's; check the provider or the scheme's timestamp unit"
            }
            Self::TimestampOutOfTolerance => "check both clocks; an old request may also be a replay",
            Self::SignatureMismatch => {
                "check the secret, then the public base URL, then whether something rewrites the body"
            }
            Self::FieldMissing => "a part of what was signed did not arrive; a proxy may be dropping headers",
            Self::KeyUntrusted => "the signing key is not one of the provider's",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Repeated> for Reason {
    fn from(Repeated: Repeated) -> Self {
        Self::HeaderDuplicated
    }
}
