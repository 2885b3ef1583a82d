//! Idempotency keys and event types as they stand in headers.

use crate::problem::Problem;
use actix_web::http::header::HeaderMap;

/// The longest key, in bytes.
const LONGEST_KEY: usize = 255;

/// The headers that name a key at door 4, in GetHook's order; `x-request-id` is the one that a source can switch off.
pub(crate) const STANDARD_HEADERS: [&str; 4] =
    ["x-webhook-id", "x-event-id", "idempotency-key", "x-request-id"];

/// The one value of a header that holds a key.
pub(crate) fn from_header(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::InvalidKey);
    }
    // Measured as it was sent: what is no UTF-8 is longer as a text.
    let bytes = value.as_bytes();
    let is_key = match std::str::from_utf8(bytes) {
        Ok(text) => is_key(text),
        Err(_) => bytes.len() <= LONGEST_KEY && !bytes.iter().any(u8::is_ascii_control),
    };
    if is_key {
        Ok(Some(text(bytes)))
    } else {
        Err(Problem::InvalidKey)
    }
}

/// Refuses what is not 1 to 255 bytes without control characters.
pub(crate) fn check(key: &str) -> Result<String, Problem> {
    if is_key(key) {
        Ok(key.to_owned())
    } else {
        Err(Problem::InvalidKey)
    }
}

/// Whether a text can be a key.
pub(crate) fn is_key(text: &str) -> bool {
    (1..=LONGEST_KEY).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The event type that the sender names itself, at every door.
pub(crate) fn own_event_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    event_type(headers, "x-event-type")
}

/// The event type that stands in a header.
pub(crate) fn event_type(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = text(value.as_bytes());
    if values.next().is_some() || !wire::is_event_type(&text) {
        return Err(Problem::InvalidEventType);
    }
    Ok(Some(text))
}

/// A header's value as text: UTF-8, else each byte as the character with its number (RFC 9110 §5.5: obs-text).
pub(crate) fn text(value: &[u8]) -> String {
    std::str::from_utf8(value).map_or_else(
        |_| value.iter().map(|&byte| char::from(byte)).collect(),
        ToOwned::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn a_key_that_is_no_utf8_is_measured_in_its_own_bytes() {
        let of = |value: &[u8]| from_header(&headers(&[("x-key", value)]), "x-key");
        assert_eq!(of(&[0xe9; 255]).unwrap().unwrap().chars().count(), 255);
        assert!(of(&[0xe9; 256]).is_err());
        assert!(of(b"a\x80\xff").is_ok(), "obs-text (RFC 9110 \u{a7}5.5)");
        assert!(of(b"a\t\xff").is_err());
    }

    #[test]
    fn a_key_is_1_to_255_bytes_without_control_characters() {
        assert!(is_key("a") && is_key(&"k".repeat(255)) && is_key("päyment 1"));
        assert!(!is_key("") && !is_key(&"k".repeat(256)) && !is_key("a\tb") && !is_key("a\u{85}b"));
    }

    #[test]
    fn a_key_sent_twice_is_refused_even_when_it_is_the_same() {
        let twice = headers(&[("x-webhook-id", b"a"), ("x-webhook-id", b"a")]);
        assert!(matches!(
            from_header(&twice, "x-webhook-id"),
            Err(Problem::InvalidKey)
        ));
        assert!(matches!(
            from_header(&headers(&[("x-webhook-id", b"")]), "x-webhook-id"),
            Err(Problem::InvalidKey)
        ));
        assert!(matches!(from_header(&headers(&[]), "x-webhook-id"), Ok(None)));
    }

    #[test]
    fn an_event_type_is_at_most_128_characters() {
        let of = |value: &[u8]| own_event_type(&headers(&[("x-event-type", value)]));
        assert_eq!(of(b"orders/create").unwrap().as_deref(), Some("orders/create"));
        assert!(of(&[b'a'; 129]).is_err() && of(b"").is_err() && of(b"a\tb").is_err());
    }

    proptest! {
        #[test]
        fn every_header_value_has_a_text(value: Vec<u8>) {
            prop_assert_eq!(text(&value).is_empty(), value.is_empty());
        }
    }
}
