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
    /// A certificate or a key exceeds [`crate::MAX_PEM_BYTES`].
    #[error("the PEM is {length} bytes long; it may have {max}", max = crate::MAX_PEM_BYTES)]
    PemTooLong {
        /// How long it is, in bytes.
        length: usize,
    },
    /// There is no certificate in the text.
    #[error(
        "holds no certificate; write it as PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
    )]
    CertificatePem,
    /// There is a private key where certificates belong.
    #[error("holds a private key, which belongs in `key`; leave the certificates alone here")]
    CertificateHasKey,
    /// There are more than [`crate::MAX_CERTIFICATES`] certificates.
    #[error("{count} certificates are too many; there may be {max}", max = crate::MAX_CERTIFICATES)]
    CertificateCount {
        /// How many there are.
        count: usize,
    },
    /// A certificate is PEM but no X.509 certificate.
    #[error("one of the certificates is damaged; have it written out again")]
    CertificateSyntax,
    /// A certificate has expired.
    #[error("the certificate of {subject:?} has expired; renew it")]
    CertificateExpired {
        /// Whose it is.
        subject: String,
    },
    /// A certificate does not count yet.
    #[error("the certificate of {subject:?} is not valid yet; check its dates, and the clock here")]
    CertificateNotYet {
        /// Whose it is.
        subject: String,
    },
    /// There is no private key in the text.
    #[error("holds no private key; write it as PEM (PKCS #8, PKCS #1 or SEC 1)")]
    KeyPem,
    /// The private key has a passphrase.
    #[error("the private key has a passphrase; write it without one, it is kept encrypted here")]
    KeyEncrypted,
    /// The private key is of a kind that cannot sign here.
    #[error(
        "the private key cannot be used; use RSA of 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519"
    )]
    KeyUnusable,
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the certificate; of a chain, put its own certificate first")]
    KeyMismatch,
}

/// The way out that only the operator has.
const OPERATOR: &str = ", or let the operator open its network (egress.allow)";

impl Error {
    /// Whether the address was refused, rather than something that shows before any look-up.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::Address { .. })
    }
}
