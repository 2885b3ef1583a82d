//! Which headers a stranger may not have sent: the one list for whoever checks a document and for whoever sends.
//!
//! Three kinds are refused: what frames a message or belongs to the connection, and could smuggle another message; what
//! impersonates this product or a proxy; and what opens a metadata service.

/// Set by the connection (RFC 9110 §7.6.1 and what grew around it), whoever asks.
const CONNECTIONS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The same, by how the name begins: between a client and its proxy.
const CONNECTIONS_PREFIX: &str = "proxy-";

/// Set by this product, or believed by receivers because a proxy sets them, or asked for by metadata services.
const RESERVED: &[&str] = &[
    "baggage",
    "cf-connecting-ip",
    "forwarded",
    "metadata",
    "metadata-flavor",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
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

/// Longer names are nobody's.
pub const MAX_NAME_BYTES: usize = 128;

/// What the common servers take for one header line.
pub const MAX_VALUE_BYTES: usize = 8 * 1024;

/// Servers refuse more than about 100 lines; the rest are ours.
pub const MAX_CUSTOM: usize = 64;

/// Whether a text can be a header's name: a token (RFC 9110 §5.6.2) that is not too long.
pub fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_token)
}

/// Whether a text can be a header's value: one line of visible ASCII with blanks inside.
///
/// Bytes above 127 are read differently by every receiver, so they are refused with the control characters.
pub fn is_value(value: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    let has_edges = value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']);
    value.len() <= MAX_VALUE_BYTES && !has_edges && value.bytes().all(is_plain)
}

/// Whether only the connection may set this header, not even our own services. In any case, and with `_` for `-`.
pub fn is_connections(name: &str) -> bool {
    let name = plain(name);
    CONNECTIONS.contains(&name.as_str()) || name.starts_with(CONNECTIONS_PREFIX)
}

/// Whether a stranger may not set this header. In any case, and with `_` for `-`.
pub fn is_reserved(name: &str) -> bool {
    let name = plain(name);
    is_connections(&name)
        || RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Servers that hand headers on as environment variables (CGI, WSGI) cannot tell `_` from `-`.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_the_product_and_proxies_are_reserved() {
        for name in [
            "Host",
            "CONTENT-LENGTH",
            "Transfer-Encoding",
            "transfer_encoding",
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Upgrade",
            "Expect",
            "Proxy-Authorization",
            "proxy_anything",
            "Webhook-Id",
            "webhook_signature",
            "X-Hookyard-Attempt",
            "traceparent",
            "X-Forwarded-For",
            "Forwarded",
            "X-Real-IP",
            "CF-Connecting-IP",
            "Metadata-Flavor",
            "X-aws-ec2-metadata-token",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "X-Team",
            "Authorization",
            "Cookie",
            "Content-Type",
            "X-Webhook-Id",
            "Hosted",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn names_are_tokens_and_values_are_one_line() {
        let (longest, too_long) = ("x".repeat(MAX_NAME_BYTES), "x".repeat(MAX_NAME_BYTES + 1));
        for (name, passes) in [
            ("X-Team", true),
            (longest.as_str(), true),
            (&too_long, false),
            ("", false),
            ("X Team", false),
            ("X-Team:", false),
            (":path", false),
            ("X-Team\r\nHost", false),
            ("X\0", false),
            ("Tëam", false),
        ] {
            assert_eq!(is_name(name), passes, "{name:?}");
        }
        for (value, passes) in [
            ("", true),
            ("a b\tc", true),
            ("a\r\nHost: b", false),
            ("a\nb", false),
            ("a\rb", false),
            ("a\0b", false),
            ("a\x7fb", false),
            ("ünïcode", false),
            (" a", false),
            ("a\t", false),
        ] {
            assert_eq!(is_value(value), passes, "{value:?}");
        }
        assert!(!is_value(&"x".repeat(MAX_VALUE_BYTES + 1)));
    }
}
