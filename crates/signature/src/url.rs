//! URLs as senders sign them: cut into pieces and varied, never parsed and printed again, because
//! a normalised URL is not the one that was signed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

/// A way in which a sender may have written the URL that it signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Variant {
    /// As the request came.
    AsIs,
    /// With the port written out, also when it is the scheme's own (Twilio).
    WithPort,
    /// Without the port (Twilio).
    WithoutPort,
    /// With the escapes undone that `HubSpot` undoes before it signs.
    HubspotDecoded,
}

impl Variant {
    /// This variant of `url`.
    pub(crate) fn of(self, url: &str) -> Cow<'_, str> {
        match self {
            Self::AsIs => Cow::Borrowed(url),
            Self::WithPort => {
                let parts = Parts::of(url);
                match (parts.port, parts.default_port()) {
                    (None, Some(port)) => Cow::Owned(parts.with_port(&format!(":{port}"))),
                    _ => Cow::Borrowed(url),
                }
            }
            Self::WithoutPort => {
                let parts = Parts::of(url);
                if parts.port.is_some() {
                    Cow::Owned(parts.with_port(""))
                } else {
                    Cow::Borrowed(url)
                }
            }
            Self::HubspotDecoded => hubspot_decoded(url),
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsIs => "as_is",
            Self::WithPort => "with_port",
            Self::WithoutPort => "without_port",
            Self::HubspotDecoded => "hubspot_decoded",
        })
    }
}

/// A URL cut at its delimiters. Joined again, the pieces are the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// Before `://`.
    pub(crate) scheme: &'a str,
    /// Between `://` and `@`, with the `@`; mostly empty.
    pub(crate) userinfo: &'a str,
    /// The host, in brackets if it is an IPv6 address.
    pub(crate) host: &'a str,
    /// The digits after the host's colon.
    pub(crate) port: Option<&'a str>,
    /// From the slash up to the question mark.
    pub(crate) path: &'a str,
    /// After the question mark; empty if there is none.
    pub(crate) query: &'a str,
    /// Path, question mark, query and fragment, as they stand.
    rest: &'a str,
}

impl<'a> Parts<'a> {
    /// Cuts `url`. Never fails: a text without `://` is all path.
    pub(crate) fn of(url: &'a str) -> Self {
        let (scheme, after) = url.split_once("://").unwrap_or(("", url));
        let (authority, rest) = match after.find(['/', '?', '#']) {
            Some(at) if !scheme.is_empty() => after.split_at(at),
            None if !scheme.is_empty() => (after, ""),
            _ => ("", after),
        };
        let (userinfo, host_and_port) = match authority.rfind('@') {
            Some(at) => authority.split_at(at.saturating_add(1)),
            None => ("", authority),
        };
        let (host, port) = match host_and_port.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (host_and_port, None),
        };
        let unanchored = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (path, query) = unanchored.split_once('?').unwrap_or((unanchored, ""));
        Self {
            scheme,
            userinfo,
            host,
            port,
            path,
            query,
            rest,
        }
    }

    /// The URL up to its path, without the query: `https://host:1/path`.
    pub(crate) fn without_query(&self) -> String {
        let Self {
            scheme,
            userinfo,
            host,
            path,
            ..
        } = self;
        match self.port {
            Some(port) => format!("{scheme}://{userinfo}{host}:{port}{path}"),
            None => format!("{scheme}://{userinfo}{host}{path}"),
        }
    }

    fn with_port(&self, port: &str) -> String {
        let Self {
            scheme,
            userinfo,
            host,
            rest,
            ..
        } = self;
        format!("{scheme}://{userinfo}{host}{port}{rest}")
    }

    fn default_port(&self) -> Option<u16> {
        match self.scheme {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        }
    }
}

/// Undoes the twelve escapes of `HubSpot`'s documentation ("Validate the v3 request signature").
fn hubspot_decoded(url: &str) -> Cow<'_, str> {
    if !url.contains('%') {
        return Cow::Borrowed(url);
    }
    let mut decoded = String::with_capacity(url.len());
    let mut pieces = url.split('%');
    decoded.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let plain = piece
            .get(..2)
            .and_then(|code| match code.to_ascii_uppercase().as_str() {
                "3A" => Some(':'),
                "2F" => Some('/'),
                "3F" => Some('?'),
                "40" => Some('@'),
                "21" => Some('!'),
                "24" => Some('$'),
                "27" => Some('\''),
                "28" => Some('('),
                "29" => Some(')'),
                "2A" => Some('*'),
                "2C" => Some(','),
                "3B" => Some(';'),
                _ => None,
            });
        if let Some(plain) = plain {
            decoded.push(plain);
            decoded.push_str(piece.get(2..).unwrap_or_default());
        } else {
            decoded.push('%');
            decoded.push_str(piece);
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_cut_at_its_delimiters() {
        let parts = Parts::of("https://u:p@h.example:8443/a/b?x=1?2#f");
        assert_eq!(
            (parts.scheme, parts.userinfo, parts.host, parts.port),
            ("https", "u:p@", "h.example", Some("8443"))
        );
        assert_eq!((parts.path, parts.query), ("/a/b", "x=1?2"));
        assert_eq!(Parts::of("https://[::1]/x").port, None);
        assert_eq!(Parts::of("/only/path?q").path, "/only/path");
        assert_eq!(Parts::of("https://h?q=1").query, "q=1");
    }

    #[test]
    fn a_port_is_added_or_dropped_and_the_rest_stays() {
        assert_eq!(Variant::WithPort.of("https://h/a?b"), "https://h:443/a?b");
        assert_eq!(Variant::WithPort.of("http://h"), "http://h:80");
        assert_eq!(Variant::WithPort.of("https://h:1/a"), "https://h:1/a");
        assert_eq!(
            Variant::WithoutPort.of("https://u@h:443/a?b#c"),
            "https://u@h/a?b#c"
        );
        assert_eq!(Variant::WithoutPort.of("https://[::1]:443/"), "https://[::1]/");
    }

    #[test]
    fn only_the_escapes_that_hubspot_undoes_are_undone() {
        assert_eq!(
            Variant::HubspotDecoded.of("https://h/a%3ab%20c%2Fd%"),
            "https://h/a:b%20c/d%"
        );
    }
}
