//! Just enough DER to take a public key out of what providers publish: a `SubjectPublicKeyInfo`
//! or an X.509 certificate.
//!
//! Nothing here decides whether a key is to be trusted. That was decided by whoever configured it,
//! or by the host it was fetched from over TLS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`, the optional version of a certificate.
const VERSION: u8 = 0xa0;

/// The key bits of a `SubjectPublicKeyInfo` (RFC 5280 §4.1).
pub(crate) fn key_of_spki(der: &[u8]) -> Option<&[u8]> {
    let (info, after) = expect(der, SEQUENCE)?;
    let (_algorithm, rest) = expect(info, SEQUENCE)?;
    let (bits, rest) = expect(rest, BIT_STRING)?;
    let (unused_bits, key) = bits.split_first()?;
    (*unused_bits == 0 && rest.is_empty() && after.is_empty()).then_some(key)
}

/// The key bits of an X.509 certificate (RFC 5280 §4.1).
pub(crate) fn key_of_certificate(der: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (to_be_signed, _) = expect(certificate, SEQUENCE)?;
    let after_version = match next(to_be_signed)? {
        (VERSION, _, rest) => rest,
        _ => to_be_signed,
    };
    let (_serial, rest) = expect(after_version, INTEGER)?;
    let (_signature_algorithm, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    let (_validity, rest) = expect(rest, SEQUENCE)?;
    let (_subject, rest) = expect(rest, SEQUENCE)?;
    let (_, after_info) = expect(rest, SEQUENCE)?;
    let info = rest.get(..rest.len().checked_sub(after_info.len())?)?;
    key_of_spki(info)
}

/// The length in bytes of an RSA key's modulus, which is the length of its signatures (RFC 8017 §A.1.1).
pub(crate) fn rsa_signature_length(key: &[u8]) -> Option<usize> {
    let (numbers, _) = expect(key, SEQUENCE)?;
    let (modulus, _) = expect(numbers, INTEGER)?;
    Some(modulus.iter().skip_while(|byte| **byte == 0).count())
}

/// The bytes between `-----BEGIN label-----` and its end; the first such block in `text`.
pub(crate) fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, after) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (inside, _) = after.split_once(&format!("-----END {label}-----"))?;
    let packed: String = inside.split_ascii_whitespace().collect();
    STANDARD.decode(packed).ok()
}

/// The contents of the next element, which must have this tag, and what follows it.
fn expect(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, contents, rest) = next(input)?;
    (found == tag).then_some((contents, rest))
}

/// The tag and the contents of the next element, and what follows it.
fn next(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => rest
            .split_at_checked(1)
            .map(|(length, rest)| (big_endian(length), rest))?,
        0x82 => rest
            .split_at_checked(2)
            .map(|(length, rest)| (big_endian(length), rest))?,
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |length, byte| (length << 8) | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_taken_out_of_its_info() {
        let info = [
            &[0x30, 0x0b, 0x30, 0x03, 0x02, 0x01, 0x05, 0x03, 0x04, 0x00][..],
            &[1, 2, 3],
        ]
        .concat();
        assert_eq!(key_of_spki(&info), Some(&[1, 2, 3][..]));
        assert_eq!(key_of_spki(&info[..12]), None, "cut short");
        assert_eq!(
            key_of_spki(&[&info[..], &[0]].concat()),
            None,
            "something follows"
        );
    }

    #[test]
    fn a_block_is_found_by_its_label() {
        let text = "id\n-----BEGIN CERTIFICATE-----\nAAEC\r\nAwQF\n-----END CERTIFICATE-----\n";
        assert_eq!(pem(text, "CERTIFICATE"), Some(vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(pem(text, "PUBLIC KEY"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = key_of_spki(&bytes);
            let _ = key_of_certificate(&bytes);
            let _ = rsa_signature_length(&bytes);
        }
    }
}
