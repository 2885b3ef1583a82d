//! What is kept of a request beside its body.

use crate::key;
use actix_web::dev::RequestHead;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use boot::settings::IpNet;
use std::net::IpAddr;

/// Never kept: what authenticates the sender at somebody's door.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-channel-secret",
    "x-webhook-secret",
];

/// Parts of a header's name that make its value a secret in a rejection, where nobody was authenticated yet.
const SECRET_WORDS: [&str; 5] = ["token", "secret", "password", "api-key", "apikey"];

/// What a body that was compressed is kept without, as it is kept unpacked.
const ENCODING: &str = "content-encoding";

/// The headers as `[["name","value"],…]`, without the secret ones: every door's, and those of this source.
pub(crate) fn headers(headers: &HeaderMap, is_secret: impl Fn(&str) -> bool) -> Bytes {
    json(
        headers
            .iter()
            .filter(|(name, _)| {
                let name = name.as_str();
                name != ENCODING && !SECRET_HEADERS.contains(&name) && !is_secret(name)
            })
            .map(|(name, value)| (name.as_str(), key::text(value.as_bytes()))),
    )
}

/// The headers of a refused request: the values of secret ones are replaced.
pub(crate) fn redacted_headers(headers: &HeaderMap, is_secret: impl Fn(&str) -> bool) -> Bytes {
    json(headers.iter().map(|(name, value)| {
        let secret = SECRET_HEADERS.contains(&name.as_str())
            || sounds_secret(name.as_str())
            || is_secret(name.as_str());
        (
            name.as_str(),
            if secret {
                "[redacted]".to_owned()
            } else {
                key::text(value.as_bytes())
            },
        )
    }))
}

/// The query string, without the question mark.
pub(crate) fn query(head: &RequestHead) -> Option<String> {
    head.uri
        .query()
        .filter(|query| !query.is_empty())
        .map(str::to_owned)
}

/// All header lines as they came, secrets included.
pub(crate) fn header_lines(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let lines = headers.iter();
    lines
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// How many bytes the names and values of the headers have.
pub(crate) fn header_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// Whether a header's name, in lower case, says that its value is a secret.
pub(crate) fn sounds_secret(name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn json<'a>(lines: impl Iterator<Item = (&'a str, String)>) -> Bytes {
    let lines: Vec<(&str, String)> = lines.collect();
    serde_json::to_vec(&lines)
        .expect("a list of pairs of texts serialises")
        .into()
}

/// The sender's address: the peer's, or, when the peer is a trusted proxy, the last address of `X-Forwarded-For` that
/// is not one. Each proxy appends the address it saw, so what stands before that is the sender's own claim.
pub(crate) fn remote_address(head: &RequestHead, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = head.peer_addr?.ip().to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let forwarded: Vec<&str> = head
        .headers
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut nearest = peer;
    for text in forwarded.iter().rev() {
        let Ok(address) = text.trim().parse::<IpAddr>() else {
            break;
        };
        nearest = address.to_canonical();
        if !is_trusted(&nearest) {
            break;
        }
    }
    Some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn credentials_are_not_kept() {
        let request = TestRequest::default()
            .insert_header(("Authorization", "Bearer nhk_canary"))
            .insert_header(("X-Channel-Secret", "canary"))
            .insert_header(("X-Kind", "order"))
            .to_http_request();
        assert_eq!(headers(request.headers(), |_| false), r#"[["x-kind","order"]]"#);
        assert_eq!(headers(request.headers(), |name| name == "x-kind"), "[]");
    }

    #[test]
    fn a_rejection_names_every_header_but_shows_no_secret() {
        let request = TestRequest::default()
            .insert_header(("X-Gitlab-Token", "canary"))
            .to_http_request();
        assert_eq!(
            redacted_headers(request.headers(), |_| false),
            r#"[["x-gitlab-token","[redacted]"]]"#
        );
    }

    #[test]
    fn only_a_trusted_proxy_may_name_the_sender() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let from = |peer: &str, forwarded: &str| {
            let request = TestRequest::default()
                .peer_addr(format!("{peer}:1").parse().unwrap())
                .insert_header(("X-Forwarded-For", forwarded))
                .to_http_request();
            remote_address(request.head(), &trusted).unwrap().to_string()
        };
        assert_eq!(from("203.0.113.9", "198.51.100.1"), "203.0.113.9");
        assert_eq!(
            from("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2"),
            "198.51.100.1"
        );
        assert_eq!(from("10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(from("10.0.0.1", "198.51.100.1, nonsense"), "10.0.0.1");
    }
}
