//! Why a request got no answer: seven kinds that operators can count, and a sentence for people.
//!
//! Kinds are read off the types in the chain of sources, never off their texts.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::net::NetError;
use rustls::{AlertDescription, CertificateError};

use crate::Error;

/// The stable names of what can go wrong, as they are stored with an attempt and counted in metrics.
///
/// An answer with a status that the caller does not like is not among them: that is for the caller to say
/// (`http_status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Refused by our own rules; nothing left this machine but perhaps a DNS query.
    Blocked,
    /// The host's name led to no address.
    Dns,
    /// No connection came about.
    Connect,
    /// The connection could not be secured.
    Tls,
    /// The receiver took too long to connect or to begin its answer.
    Timeout,
    /// The receiver ended the connection before it had answered.
    Reset,
    /// The receiver answered something that is not HTTP.
    Protocol,
}

impl Kind {
    /// The stable name: `blocked`, `dns`, `connect`, `tls`, `timeout`, `reset` or `protocol`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a library said about a failure, for logs.
pub type Source = Box<dyn StdError + Send + Sync>;

/// Why there is no answer. Displays as a sentence for the owner of the receiver; names its host, never its URL or
/// address.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Our own rules refuse the request.
    #[error(transparent)]
    Refused(#[from] Error),
    /// The host's name led to no address.
    #[error("{host} could not be resolved: {failure}")]
    Dns {
        /// The host as in the URL.
        host: Arc<str>,
        /// What the name servers said.
        failure: DnsFailure,
        /// Their error.
        source: Source,
    },
    /// None of the host's addresses took a connection.
    #[error("no connection to {host}: {}", connect_words(source))]
    Connect {
        /// The host as in the URL.
        host: Arc<str>,
        /// The last address's error.
        source: io::Error,
    },
    /// The TLS handshake failed, or the receiver ended it.
    #[error("no secure connection to {host}: {}", tls_words(source))]
    Tls {
        /// The host as in the URL.
        host: Arc<str>,
        /// The handshake's error; a [`rustls::Error`] is inside where there was one.
        source: io::Error,
    },
    /// A deadline passed.
    #[error("{host} {phase} within {} s; check what keeps it, or allow it more time", after.as_secs_f32())]
    Timeout {
        /// The host as in the URL.
        host: Arc<str>,
        /// What was waited for.
        phase: Phase,
        /// How long.
        after: Duration,
    },
    /// The receiver ended the connection early.
    #[error("{host} closed the connection without an answer; its log may say why")]
    Reset {
        /// The host as in the URL.
        host: Arc<str>,
        /// The connection's error.
        source: Source,
    },
    /// What came back is not HTTP, or HTTP beyond the limits (64 KiB and 100 lines of headers).
    #[error("the answer of {host} is not valid HTTP; check that the URL leads to a web server")]
    Protocol {
        /// The host as in the URL.
        host: Arc<str>,
        /// The parser's error.
        source: Source,
    },
}

/// What the name servers said about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// The name does not exist.
    #[error("there is no such name; check its spelling")]
    NoSuchName,
    /// The name exists without an address.
    #[error("the name has no address; add an A or AAAA record")]
    NoAddress,
    /// They failed or did not answer.
    #[error("its name servers fail or do not answer; check its zone")]
    Unanswered,
    /// We know no name server to ask.
    #[error("this service has no usable name server; the operator must check /etc/resolv.conf")]
    Unconfigured,
}

/// The part of a request that a deadline was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Until the name was resolved.
    LookUp,
    /// Until a connection stood, TLS included.
    Connect,
    /// Until the head of the answer was there.
    FirstByte,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LookUp => "could not be resolved",
            Self::Connect => "did not take the connection",
            Self::FirstByte => "did not answer",
        })
    }
}

impl SendError {
    /// The stable name of this failure.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused(_) => Kind::Blocked,
            Self::Dns { .. }
            | Self::Timeout {
                phase: Phase::LookUp, ..
            } => Kind::Dns,
            Self::Connect { .. } => Kind::Connect,
            Self::Tls { .. } => Kind::Tls,
            Self::Timeout {
                phase: Phase::Connect | Phase::FirstByte,
                ..
            } => Kind::Timeout,
            Self::Reset { .. } => Kind::Reset,
            Self::Protocol { .. } => Kind::Protocol,
        }
    }

    pub(crate) fn dns(host: Arc<str>, source: NetError) -> Self {
        let failure = if source.is_nx_domain() {
            DnsFailure::NoSuchName
        } else if source.is_no_records_found() {
            DnsFailure::NoAddress
        } else {
            DnsFailure::Unanswered
        };
        Self::Dns {
            host,
            failure,
            source: source.into(),
        }
    }

    /// Classifies what went wrong on a connection that stood.
    pub(crate) fn exchange(host: Arc<str>, error: hyper::Error) -> Self {
        let h2 = find::<h2::Error>(&error);
        let io = find::<io::Error>(&error).or_else(|| h2.and_then(h2::Error::get_io));
        // A receiver that wants a client certificate says so only after the handshake (TLS 1.3). On the way through
        // HTTP/2 the alert's type is lost; but nothing except TLS calls bytes on a connection invalid.
        if let Some(error) = io.filter(|error| error.kind() == io::ErrorKind::InvalidData) {
            let alert = rustls_error(error).cloned();
            let source = alert.map_or_else(|| error.kind().into(), io::Error::other);
            return Self::Tls { host, source };
        }
        let ended = io.is_some()
            || h2.is_some_and(h2::Error::is_remote)
            || error.is_incomplete_message()
            || error.is_canceled()
            || error.is_closed();
        let source = error.into();
        if ended {
            Self::Reset { host, source }
        } else {
            Self::Protocol { host, source }
        }
    }
}

/// The first error of a type in a chain of sources.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn connect_words(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens there; check that the receiver runs, and its port"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no route to it; check its address"
        }
        io::ErrorKind::TimedOut => "it does not answer; check its firewall",
        _ => "it failed; check that the receiver runs and that its firewall lets us in",
    }
}

fn tls_words(error: &io::Error) -> &'static str {
    match rustls_error(error) {
        Some(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired; renew it"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; check its dates"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name; have one issued for this host"
            }
            CertificateError::UnknownIssuer => {
                "its certificate comes from an authority that is not trusted here; serve the whole chain, \
                 or use a public authority"
            }
            CertificateError::Revoked => "its certificate has been revoked; replace it",
            _ => "its certificate is not acceptable; replace it",
        },
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS on this port; check the port",
        Some(rustls::Error::AlertReceived(alert)) => alert_words(*alert),
        Some(rustls::Error::PeerIncompatible(_)) => "it speaks only outdated TLS; enable TLS 1.2 or 1.3",
        // After the handshake, on HTTP/2: what the receiver said is lost.
        None if error.kind() == io::ErrorKind::InvalidData => {
            "it ended the connection after the handshake; if it asks for a client certificate, check the \
             endpoint's (auth.clientCertificate)"
        }
        _ => "the handshake failed; check its TLS settings",
    }
}

/// What a receiver says of our certificate, or of having got none (RFC 8446 §6.2).
fn alert_words(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => {
            "it asks for a client certificate; give the endpoint one (auth.clientCertificate)"
        }
        AlertDescription::CertificateExpired => {
            "our client certificate has expired; renew the endpoint's (auth.clientCertificate)"
        }
        AlertDescription::CertificateRevoked => {
            "our client certificate is revoked; replace the endpoint's (auth.clientCertificate)"
        }
        AlertDescription::UnknownCA => {
            "it does not trust the authority of our client certificate; check the endpoint's chain \
             (auth.clientCertificate)"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => {
            "it does not accept our client certificate; check the endpoint's (auth.clientCertificate)"
        }
        _ => "it ended the handshake; check its TLS settings",
    }
}
