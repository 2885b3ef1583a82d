//! Strict decoding. Lenient decoders accept many texts for one digest, which makes "the same
//! signature" a matter of opinion; here each digest has one text (hexadecimal may use either case).

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, general_purpose};
use serde::Deserialize;

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// Two digits a byte, either case.
    #[default]
    Hex,
    /// Padded, canonical, the `+/` alphabet.
    Base64,
    /// Canonical, the `-_` alphabet; padding may be left out, as Sanity and JWTs do.
    Base64url,
}

impl Encoding {
    /// The bytes that `text` stands for; nothing if it is not in its canonical form.
    pub(crate) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Base64url => URL_SAFE.decode(text).ok(),
        }
    }

    /// The canonical text of `bytes`.
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64url => general_purpose::URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}

const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_an_even_length_and_nothing_but_digits() {
        assert_eq!(Encoding::Hex.decode("00fF"), Some(vec![0, 255]));
        for refused in ["0", "0g", "0x00", " 00", "00 ", "00\n"] {
            assert_eq!(Encoding::Hex.decode(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn base64_is_padded_and_canonical() {
        assert_eq!(Encoding::Base64.decode("Zm8="), Some(b"fo".to_vec()));
        for refused in ["Zm8", "Zm9=", "Zm8=\n", "Zm8==", "Zm-_", "Z"] {
            assert_eq!(Encoding::Base64.decode(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn base64url_may_leave_out_its_padding() {
        assert_eq!(Encoding::Base64url.decode("-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(Encoding::Base64url.decode("-_8="), Some(vec![0xfb, 0xff]));
        assert_eq!(
            Encoding::Base64url.decode("-_9"),
            None,
            "the last bits must be zero"
        );
    }
}
