//! Which headers a stranger may add to a request.
//!
//! What could end a header early and smuggle another message is refused, and so are the names that
//! [`wire::header`] reserves.

use http::{HeaderMap, HeaderName, HeaderValue};
use wire::header::{self, MAX_NAME_BYTES};

use crate::Error;

/// More custom headers than this are refused.
pub const MAX_CUSTOM_HEADERS: usize = header::MAX_CUSTOM;

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
    let parsed = header::is_name(name)
        .then(|| HeaderName::from_bytes(name.as_bytes()).ok())
        .flatten();
    let Some(parsed) = parsed else {
        return Err(Error::HeaderName {
            name: shortened(name),
        });
    };
    if header::is_reserved(name) {
        return Err(Error::HeaderReserved {
            name: name.to_owned(),
        });
    }
    let value = header::is_value(value)
        .then(|| HeaderValue::from_str(value).ok())
        .flatten();
    match value {
        Some(value) => Ok((parsed, value)),
        None => Err(Error::HeaderValue {
            name: name.to_owned(),
        }),
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use header::MAX_VALUE_BYTES;
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
