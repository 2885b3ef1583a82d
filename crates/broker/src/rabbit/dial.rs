//! Opening one connection: TCP, TLS, the AMQP handshake, each within a deadline.

use super::RabbitSettings;
use crate::Error;
use crate::error::cause;
use futures_util::{Stream, StreamExt as _};
use lapin::tcp::{AsyncTcpStream, RustlsConnector, RustlsConnectorConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties, Event};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// For the goodbye of one connection.
pub(super) const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// The client keeps two buffers of 32 frames for each connection, so the usual 128 KiB would cost 8 MiB; our messages
/// have some 30 KiB, and longer ones are several frames.
const FRAME_BYTES: u32 = 32 * 1024;

/// Knows where the broker is and how to greet it.
#[derive(Clone)]
pub(super) struct Dialer {
    uri: AMQPUri,
    tls: Option<Arc<RustlsConnector>>,
    client: String,
    timeout: Duration,
    address: Arc<str>,
}

impl std::fmt::Debug for Dialer {
    /// Without the URI, which has the password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Dialer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    pub(super) fn new(settings: &RabbitSettings) -> Result<Self, Error> {
        let mut uri = parse(settings.url.expose_secret())?;
        uri.query.heartbeat = u16::try_from(settings.heartbeat.as_secs()).ok();
        uri.query.frame_max = Some(FRAME_BYTES);
        let tls = match uri.scheme {
            AMQPScheme::AMQP => None,
            AMQPScheme::AMQPS => Some(Arc::new(connector(settings.certificates.as_deref())?)),
        };
        let address = format!("{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost);
        Ok(Self {
            uri,
            tls,
            client: settings.client.clone(),
            timeout: settings.connect_timeout,
            address: address.into(),
        })
    }

    /// `host:port/vhost`, for people.
    pub(super) fn address(&self) -> Arc<str> {
        Arc::clone(&self.address)
    }

    /// Opens a connection that the broker shows under the client's name and `purpose`.
    pub(super) async fn dial(&self, purpose: &str) -> Result<Dialed, Error> {
        let runtime = lapin::runtime::default_runtime().map_err(|error| self.failure(error))?;
        let name = format!("{} ({purpose})", self.client);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let limit = self.timeout;
        let ender = Ender::default();
        let (tls, socket) = (self.tls.clone(), Arc::clone(&ender.0));
        // Written in place, so that the compiler knows the runtime's type.
        let greet = Connection::connector(
            self.uri.clone(),
            runtime,
            async move |uri, runtime| {
                let connect = async {
                    let host = uri.authority.host.clone();
                    let found = tokio::net::lookup_host((host.as_str(), uri.authority.port)).await?;
                    let stream = AsyncTcpStream::connect(&runtime, found.collect::<Vec<_>>()).await?;
                    if let AsyncTcpStream::Plain(plain) = &stream {
                        let second = plain.get_ref().as_fd().try_clone_to_owned()?;
                        *socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(second.into());
                    }
                    match &tls {
                        Some(connector) => stream.into_rustls(connector, &host).await,
                        None => Ok(stream),
                    }
                };
                let late = || Err(io::ErrorKind::TimedOut.into());
                let connected = timeout(limit, connect).await;
                connected
                    .unwrap_or_else(|_late| late())
                    .map_err(lapin::Error::from)
            },
            properties,
        );
        match timeout(limit * 2, greet).await {
            Ok(Ok(connection)) => Ok(Dialed {
                events: Box::pin(connection.events_listener()),
                connection: Arc::new(connection),
                _ender: ender,
            }),
            Ok(Err(error)) => Err(self.failure(error)),
            Err(_late) => Err(Error::Silent {
                address: self.address(),
                after: limit * 2,
            }),
        }
    }

    fn failure(&self, error: lapin::Error) -> Error {
        Error::Connect {
            address: self.address(),
            source: cause(error),
        }
    }
}

/// The parser's own messages repeat the URL, password and all; and it takes an IPv6 address for no host.
fn parse(text: &str) -> Result<AMQPUri, Error> {
    let url = url::Url::parse(text).map_err(|_hidden| Error::Url("it is no URL"))?;
    if !matches!(url.scheme(), "amqp" | "amqps") {
        return Err(Error::Url("its scheme is neither amqp nor amqps"));
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return Err(Error::Url("it has no host"));
    };
    let hidden = |_text| Error::Url("its user, password, vhost or parameters are not well encoded");
    let mut uri: AMQPUri = text.parse().map_err(hidden)?;
    host.trim_matches(['[', ']']).clone_into(&mut uri.authority.host);
    if url.path().is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    Ok(uri)
}

fn connector(certificates: Option<&str>) -> Result<RustlsConnector, Error> {
    let build = || -> io::Result<RustlsConnector> {
        let config = match certificates {
            Some(pem) => {
                let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
                let parsed = parsed.map_err(io::Error::other)?;
                if parsed.is_empty() {
                    return Err(io::Error::other("there is no certificate in it"));
                }
                RustlsConnectorConfig::default().with_parsable_certificates(parsed)
            }
            None => RustlsConnectorConfig::new_with_native_certs()?,
        };
        config.connector_with_no_client_auth()
    };
    build().map_err(|error| Error::Certificates(cause(error)))
}

/// Ends a connection's socket when it is dropped, through a second handle: the client has a thread for each
/// connection, which a silent broker would keep for ever.
#[derive(Debug, Default)]
struct Ender(Arc<Mutex<Option<std::net::TcpStream>>>);

impl Drop for Ender {
    fn drop(&mut self) {
        if let Some(stream) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Where it fails, it is closed already.
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }
}

/// An open connection and the means to see and make its end.
pub(super) struct Dialed {
    pub(super) connection: Arc<Connection>,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    _ender: Ender,
}

impl Dialed {
    /// Waits until the connection is lost; answers why. Cancel-safe.
    pub(super) async fn lost(&mut self) -> lapin::Error {
        let mut reason = None;
        loop {
            if !self.connection.status().connected() {
                return reason.unwrap_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into());
            }
            tokio::select! {
                event = self.events.next() => match event {
                    // Also of a channel; only the state says whether the connection is meant.
                    Some(Event::Error(error)) => reason = Some(error),
                    Some(Event::ConnectionBlocked(why)) => {
                        tracing::warn!(reason = why, "the broker has blocked publishers; events wait for the sweepers");
                    }
                    Some(Event::ConnectionUnblocked) => tracing::info!("the broker takes messages again"),
                    _ => {}
                },
                // Not every end has an event.
                () = sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        // Where it fails, the connection is gone already.
        let _said = timeout(CLOSE_DEADLINE, self.connection.close(200, "goodbye".into())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialer(url: &str) -> Result<Dialer, Error> {
        Dialer::new(&RabbitSettings::new(url))
    }

    #[test]
    fn an_address_names_host_port_and_vhost_and_no_password() {
        let dialer = dialer("amqp://yard:s3cret@mq.internal/tenant%2fa").unwrap();
        assert_eq!(dialer.address().as_ref(), "mq.internal:5672/tenant/a");
        assert!(!format!("{dialer:?}").contains("s3cret"));
    }

    #[test]
    fn an_ipv6_address_is_the_host() {
        let dialer = dialer("amqp://yard:s3cret@[2001:db8::1]:5673/%2f").unwrap();
        assert_eq!(dialer.address().as_ref(), "2001:db8::1:5673//");
    }

    #[test]
    fn a_url_without_path_means_the_default_vhost() {
        assert_eq!(dialer("amqp://localhost").unwrap().uri.vhost, "/");
        assert_eq!(dialer("amqp://localhost/%2f").unwrap().uri.vhost, "/");
    }

    #[test]
    fn an_unusable_url_is_refused_without_repeating_it() {
        for bad in [
            "",
            "s3cret",
            "https://u:s3cret@host/",
            "amqp:s3cret",
            "amqp://host/?heartbeat=s3cret",
            "amqp:///x",
        ] {
            let error = dialer(bad).unwrap_err();
            assert!(matches!(error, Error::Url(_)), "{bad}: {error}");
            assert!(!format!("{error:?} {error}").contains("s3cret"), "{bad}");
        }
    }

    #[test]
    fn certificates_that_are_none_are_refused() {
        let mut settings = RabbitSettings::new("amqps://localhost");
        settings.certificates = Some("nonsense".to_owned());
        assert!(matches!(Dialer::new(&settings), Err(Error::Certificates(_))));
    }
}
