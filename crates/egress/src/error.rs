//! What is refused before anything is sent.

/// Why a URL, a header or a method may not be used.
///
/// The messages are meant for whoever wrote the thing: they say what is wrong with it and what would do. They name
/// a host but never the address behind it, which would tell a stranger about the network we live in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL exceeds [`crate::MAX_URL_BYTES`].
    #[error("the URL is {length} bytes long; it may have {max}", max = crate::MAX_URL_BYTES)]
    UrlTooLong {
        /// How long it is, in bytes.
        length: usize,
    },
    /// The URL has a line break, a tab or another control character in it, which parsers drop or trip over.
    #[error("the URL contains a control character; remove it, or write it as %XX")]
    UrlControl,
    /// The URL does not parse.
    #[error("the URL cannot be read; write it as https://host/path")]
    UrlSyntax(#[source] url::ParseError),
    /// The URL has another scheme than http and https.
    #[error("a URL with the scheme {scheme:?} cannot be called; use https, or http")]
    UrlScheme {
        /// The scheme as parsed.
        scheme: String,
    },
    /// The URL carries a user name or a password.
    #[error("the URL contains a user name or a password; send credentials in a header instead")]
    UrlUserinfo,
    /// The host is no name that DNS could know.
    #[error("the host {host:?} is not a valid name; check its spelling")]
    HostName {
        /// The host as parsed.
        host: String,
    },
    /// The host's name means something else on every machine or network.
    #[error("the host {host:?} is a name of a local network; use a public name{OPERATOR}")]
    HostLocal {
        /// The host as parsed.
        host: String,
    },
    /// The port belongs to another protocol, or is 0.
    #[error("the port {port} is not one for webhooks; use 443, 80, or a high port such as 8443")]
    Port {
        /// The port, given or implied.
        port: u16,
    },
    /// The host is an address, or a name with at least one address, that is not public.
    #[error("the address of {host:?} is in {range}; only public addresses can be called{OPERATOR}")]
    Address {
        /// The host as parsed.
        host: String,
        /// The range that the address belongs to.
        range: &'static str,
    },
    /// The method would turn the connection into something else.
    #[error("the method {method:?} cannot be used; use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS")]
    Method {
        /// The method as given.
        method: String,
    },
    /// There are more than [`crate::MAX_CUSTOM_HEADERS`] custom headers.
    #[error("{count} custom headers are too many; there may be {max}", max = crate::MAX_CUSTOM_HEADERS)]
    HeaderCount {
        /// How many there are.
        count: usize,
    },
    /// The name of a header is not a token (RFC 9110 §5.6.2), or too long.
    #[error("{name:?} cannot be a header's name; use letters, digits and hyphens")]
    HeaderName {
        /// The name as given.
        name: String,
    },
    /// The header is this product's, the connection's or a proxy's to set.
    #[error("the header {name:?} is reserved; choose another name, such as X-{name}-Custom")]
    HeaderReserved {
        /// The name as given.
        name: String,
    },
    /// The value of a header could end the header early, or be read in two ways.
    #[error("the value of the header {name:?} must be visible ASCII with blanks inside, at most 8 KiB")]
    HeaderValue {
        /// The header's name.
        name: String,
    },
}

/// The way out that only the operator has.
const OPERATOR: &str = ", or let the operator open its network (egress.allow)";

impl Error {
    /// Whether the address was refused, rather than something that shows before any look-up.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::Address { .. })
    }
}
