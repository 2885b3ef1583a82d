//! URLs that strangers gave us, parsed once.
//!
//! The host that was checked and the host that is called must be the same, so nothing ever reads the text a second
//! time: what is sent is put together from the parsed parts of a [`CheckedUrl`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, PathAndQuery};
use url::{Host, Position, Url};

use crate::policy::LocalName;
use crate::{Error, Policy};

/// Longer URLs are refused; receivers and proxies between cut off at about this length.
pub const MAX_URL_BYTES: usize = 2048;

/// A URL that may be called under the policy that checked it, as far as that can be seen without looking up its name.
///
/// Displays as the normal form of the URL, without blanks around it and without a final dot in the host. It may
/// carry tokens in its path and query, so its `Debug` shows the host alone.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckedUrl {
    text: String,
    https: bool,
    host: Arc<str>,
    address: Option<IpAddr>,
    port: u16,
    authority: Authority,
    host_header: HeaderValue,
    path_and_query: PathAndQuery,
}

impl CheckedUrl {
    pub(crate) fn parse(text: &str, policy: &Policy) -> Result<Self, Error> {
        let text = text.trim_matches(' ');
        if text.len() > MAX_URL_BYTES {
            return Err(Error::UrlTooLong { length: text.len() });
        }
        // The URL standard drops tabs and line breaks silently, which hides what is there from whoever reads it.
        if text.chars().any(char::is_control) {
            return Err(Error::UrlControl);
        }
        let mut url = Url::parse(text).map_err(Error::UrlSyntax)?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(Error::UrlScheme {
                    scheme: other.to_owned(),
                });
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::UrlUserinfo);
        }
        let (host, address) = host(&mut url, policy)?;
        let port = url.port_or_known_default().unwrap_or(0);
        if port == 0 || FOREIGN_PORTS.contains(&port) {
            return Err(Error::Port { port });
        }
        let written_host = &url[Position::BeforeHost..Position::AfterPort];
        let path_and_query = &url[Position::BeforePath..Position::AfterQuery];
        let unusable = || Error::UrlSyntax(url::ParseError::InvalidDomainCharacter);
        Ok(Self {
            https,
            host,
            address,
            port,
            authority: written_host.parse().map_err(|_invalid| unusable())?,
            host_header: HeaderValue::from_str(written_host).map_err(|_invalid| unusable())?,
            path_and_query: path_and_query.parse().map_err(|_invalid| unusable())?,
            text: url.into(),
        })
    }

    /// The normal form, for saving.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host without its port: a name in lower case and ASCII, or an address (IPv6 without brackets). Safe to
    /// log, unlike the rest.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, given or implied by the scheme.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection will be encrypted and the host's certificate checked.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The address, if the host is one rather than a name.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(crate) fn shared_host(&self) -> Arc<str> {
        Arc::clone(&self.host)
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    pub(crate) fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }
}

impl fmt::Display for CheckedUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for CheckedUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CheckedUrl")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Checks the host and takes the final dot off a name, so that name and certificate, pool and `Host` header agree.
fn host(url: &mut Url, policy: &Policy) -> Result<(Arc<str>, Option<IpAddr>), Error> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name).to_owned();
            check_name(&name, policy)?;
            url.set_host(Some(&name)).map_err(Error::UrlSyntax)?;
            return Ok((name.into(), None));
        }
        None => return Err(Error::UrlSyntax(url::ParseError::EmptyHost)),
    };
    match policy.forbidden_range(address) {
        Some(range) => Err(Error::Address {
            host: address.to_string(),
            range,
        }),
        None => Ok((address.to_string().into(), Some(address))),
    }
}

/// The limits of RFC 1035 §2.3.4, and the local names.
fn check_name(name: &str, policy: &Policy) -> Result<(), Error> {
    let dns_could_know_it = name.len() <= 253 && name.split('.').all(|label| matches!(label.len(), 1..=63));
    if !dns_could_know_it {
        return Err(Error::HostName {
            host: name.to_owned(),
        });
    }
    match LocalName::of(name) {
        Some(kind) if !policy.opens(kind) => Err(Error::HostLocal {
            host: name.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Ports on which something else than a web server listens: the bad ports of the Fetch standard, and the databases,
/// brokers and control planes whose protocols can be talked to in HTTP.
const FOREIGN_PORTS: &[u16] = &[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
    109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
    526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
    3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, // Fetch
    445, 873, 3389, 5900, // SMB, rsync, RDP, VNC
    1433, 1521, 3306, 5432, 5984, 6379, 6380, 9042, 9200, 9300, 11211, 27017, 27018, 27019, // databases
    1883, 2181, 4222, 4369, 5671, 5672, 8883, 9092, 25672, 61613, 61616, // brokers
    2375, 2376, 2379, 2380, 8500, 10250, 10255, // control planes
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<CheckedUrl, Error> {
        Policy::default().check_url(url)
    }

    #[test]
    fn a_url_is_brought_into_its_normal_form() {
        for (given, normal, host, port) in [
            (
                "  https://OK.example.com ",
                "https://ok.example.com/",
                "ok.example.com",
                443,
            ),
            (
                "https://ok.example.com.:8443/a?b#c",
                "https://ok.example.com:8443/a?b#c",
                "ok.example.com",
                8443,
            ),
            (
                "https://bücher.example/ä",
                "https://xn--bcher-kva.example/%C3%A4",
                "xn--bcher-kva.example",
                443,
            ),
            (
                "http://ok.example.com\\@127.0.0.1/",
                "http://ok.example.com/@127.0.0.1/",
                "ok.example.com",
                80,
            ),
            (
                "https://[2606:4700:4700::1111]/",
                "https://[2606:4700:4700::1111]/",
                "2606:4700:4700::1111",
                443,
            ),
        ] {
            let url = check(given).unwrap();
            assert_eq!((url.as_str(), url.host(), url.port()), (normal, host, port));
        }
    }

    #[test]
    fn a_path_stays_encoded_and_the_fragment_stays_here() {
        let url = check("http://ok.example.com/%0d%0aX-Injected:1?q={a|b}#secret").unwrap();
        assert_eq!(url.path_and_query().as_str(), "/%0d%0aX-Injected:1?q={a|b}");
        assert_eq!(url.host_header(), "ok.example.com");
    }

    #[test]
    fn names_that_dns_cannot_know_are_refused() {
        let long_label = format!("https://{}.example.com/", "a".repeat(64));
        let long_name = format!("https://{}example.com/", "a.".repeat(125));
        for url in [
            "https://a..example.com/",
            "https://example.com../",
            "https://.example.com/",
            &long_label,
            &long_name,
        ] {
            assert!(matches!(check(url), Err(Error::HostName { .. })), "{url}");
        }
    }

    #[test]
    fn texts_that_are_no_urls_are_refused() {
        let url = "";
        assert!(matches!(check(url), Err(Error::UrlSyntax(_))));
        for url in [
            "/hooks",
            "https://",
            "https://1.2.3.4.5/",
            "http://ok.example.com:99999/",
            "https://a b/",
        ] {
            assert!(matches!(check(url), Err(Error::UrlSyntax(_))), "{url}");
        }
        assert!(matches!(
            check(&format!("https://a.example/{}", "x".repeat(2048))),
            Err(Error::UrlTooLong { .. })
        ));
        assert_eq!(check("https://a.example/\r\nHost: b"), Err(Error::UrlControl));
    }

    #[test]
    fn debugging_a_url_does_not_show_its_tokens() {
        let url = check("https://hooks.example.com/T0K3N?key=S3CR3T").unwrap();
        assert!(!format!("{url:?}").contains('3'));
    }
}
