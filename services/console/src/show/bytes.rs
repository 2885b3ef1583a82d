//! Bytes in JSON: as text where they are text, as base64 where they are not, as JSON where that is asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

/// The text, or the base64 and the word that says so.
pub(crate) fn text(bytes: &[u8]) -> (String, Option<&'static str>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (STANDARD.encode(bytes), Some("base64")),
    }
}

/// Stored JSON as it stands, every digit of it; none when it is no JSON.
pub(super) fn json(bytes: &[u8]) -> Option<Box<RawValue>> {
    serde_json::from_slice(bytes).ok()
}

/// The same as [`text`], quoted.
pub(super) fn quoted(bytes: &[u8]) -> (Box<RawValue>, Option<&'static str>) {
    let (text, encoding) = text(bytes);
    let quoted = serde_json::value::to_raw_value(&text).expect("a text is JSON when it is quoted");
    (quoted, encoding)
}

/// Stored JSON that is always a list.
pub(super) fn list(bytes: &[u8]) -> Box<RawValue> {
    json(bytes).unwrap_or_else(|| RawValue::from_string("[]".to_owned()).expect("an empty list is JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_shown_as_base64() {
        assert_eq!(text("ä\0".as_bytes()), ("ä\0".to_owned(), None));
        assert_eq!(text(b"\xff\x00"), ("/wA=".to_owned(), Some("base64")));
    }

    #[test]
    fn json_is_shown_as_it_was_written() {
        assert_eq!(
            json(b"{\"a\":1.00, \"a\":1e400}").unwrap().get(),
            "{\"a\":1.00, \"a\":1e400}"
        );
        assert!(json(b"{").is_none() && json(b"\xff").is_none());
        assert_eq!(list(b"").get(), "[]");
    }
}
