//! Which headers a stranger may add to a request.
//!
//! Four things are refused: what could end the header early and smuggle another message, what frames the message or
//! belongs to the connection, what impersonates this product or a proxy, and what opens a metadata service.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::Error;

/// Longer names are nobody's.
const MAX_NAME_BYTES: usize = 128;
/// What the common servers take for one header line.
const MAX_VALUE_BYTES: usize = 8 * 1024;

/// Servers refuse more than about 100 lines; the rest are ours.
pub const MAX_CUSTOM_HEADERS: usize = 64;

/// Set by the connection (RFC 9110 §7.6.1 and what grew around it), whoever asks.
const CONNECTIONS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Set by this product, or believed by receivers because a proxy sets them, or asked for by metadata services.
const RESERVED: &[&str] = &[
    "baggage",
    "forwarded",
    "metadata",
    "metadata-flavor",
    "traceparent",
    "tracestate",
    "via",
    "x-real-ip",
];

/// The same, by how the name begins.
const RESERVED_PREFIXES: &[&str] = &[
    "webhook-",
    "x-hookyard-",
    "x-forwarded-",
    "x-aws-ec2-metadata-",
    "x-google-metadata-",
];

/// Checks a header that a stranger wants to have sent, when it is saved; [`crate::Client::send`] checks it again.
pub fn check_header(name: &str, value: &str) -> Result<(), Error> {
    parse(name, value).map(drop)
}

/// Parses a stranger's headers into what can be sent. A name that comes twice is kept twice.
pub(crate) fn parse_custom(headers: &[(String, String)]) -> Result<HeaderMap, Error> {
    if headers.len() > MAX_CUSTOM_HEADERS {
        return Err(Error::HeaderCount { count: headers.len() });
    }
    let mut parsed = HeaderMap::new();
    for (name, value) in headers {
        let (name, value) = parse(name, value)?;
        parsed.append(name, value);
    }
    Ok(parsed)
}

fn parse(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let parsed = (name.len() <= MAX_NAME_BYTES)
        .then(|| HeaderName::from_bytes(name.as_bytes()).ok())
        .flatten();
    let Some(parsed) = parsed else {
        return Err(Error::HeaderName {
            name: shortened(name),
        });
    };
    if is_reserved(parsed.as_str()) {
        return Err(Error::HeaderReserved {
            name: name.to_owned(),
        });
    }
    // Obsolete text (bytes above 127) is read differently by every receiver, so it is refused with the controls.
    let plain = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    let edges = value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']);
    if value.len() > MAX_VALUE_BYTES || edges || !value.bytes().all(plain) {
        return Err(Error::HeaderValue {
            name: name.to_owned(),
        });
    }
    match HeaderValue::from_str(value) {
        Ok(value) => Ok((parsed, value)),
        Err(_invalid) => Err(Error::HeaderValue {
            name: name.to_owned(),
        }),
    }
}

/// Whether only the connection may set this header, not even our own services.
pub(crate) fn is_connections(name: &HeaderName) -> bool {
    CONNECTIONS.contains(&name.as_str())
}

/// `name` is in lower case, as [`HeaderName`] makes it.
fn is_reserved(name: &str) -> bool {
    // Servers that hand headers on as environment variables (CGI, WSGI) cannot tell the two apart.
    let name = name.replace('_', "-");
    CONNECTIONS.contains(&name.as_str())
        || RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_headers_pass() {
        for (name, value) in [
            ("X-Team", "pay"),
            ("Authorization", "Bearer abc.def"),
            ("content-type", "application/json; charset=utf-8"),
            ("User-Agent", "shop/1.0 (with blanks\tand a tab)"),
            ("X-Empty", ""),
        ] {
            assert_eq!(check_header(name, value), Ok(()), "{name}: {value}");
        }
    }

    #[test]
    fn headers_of_the_connection_the_product_and_proxies_are_reserved() {
        for name in [
            "Host",
            "CONTENT-LENGTH",
            "Transfer-Encoding",
            "transfer_encoding",
            "Connection",
            "Webhook-Id",
            "webhook_signature",
            "X-Hookyard-Attempt",
            "traceparent",
            "X-Forwarded-For",
            "Metadata-Flavor",
            "X-aws-ec2-metadata-token",
        ] {
            assert_eq!(
                check_header(name, "1"),
                Err(Error::HeaderReserved {
                    name: name.to_owned()
                })
            );
        }
    }

    #[test]
    fn names_that_are_no_tokens_are_refused() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for name in [
            "",
            " ",
            "X Team",
            "X-Team:",
            ":path",
            "X-Team\r\nHost",
            "X\0",
            "Tëam",
            &long,
        ] {
            assert!(
                matches!(check_header(name, "1"), Err(Error::HeaderName { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn values_that_could_be_read_in_two_ways_are_refused() {
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        for value in [
            "a\r\nHost: b",
            "a\nb",
            "a\rb",
            "a\0b",
            "a\x7fb",
            "ünïcode",
            " a",
            "a\t",
            &long,
        ] {
            let refused = Err(Error::HeaderValue {
                name: "X-Team".to_owned(),
            });
            assert_eq!(check_header("X-Team", value), refused, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_is_one_line_of_visible_ascii(name in ".{0,12}", value in ".{0,24}") {
            if check_header(&name, &value).is_ok() {
                let line = format!("{name}: {value}");
                prop_assert!(line.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)));
                prop_assert!(!name.contains(':'));
            }
        }
    }
}
