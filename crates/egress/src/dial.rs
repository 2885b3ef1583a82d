//! From checked addresses to a connection that speaks HTTP.
//!
//! Takes addresses and never a name, except to check the certificate against it. There is no code for proxies.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::link::Link;
use crate::{CheckedUrl, SendError};

/// An address that has not answered after this time gets company from the next one (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);
/// More addresses than this are checked, but not tried.
const MOST_TRIED: usize = 8;
/// The head of an answer may be this long in all, and a connection buffers no more.
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// Connects to the first of the addresses that answers. All of them must have been checked.
///
/// Cancel-safe: dropping the future closes whatever was being opened.
pub(crate) async fn dial(
    target: &CheckedUrl,
    addresses: &[IpAddr],
    tls: &TlsConnector,
) -> Result<(IpAddr, Link), SendError> {
    let host = || target.shared_host();
    let (address, stream) = connect(addresses, target.port())
        .await
        .map_err(|source| SendError::Connect { host: host(), source })?;
    let link = if target.is_https() {
        let stream = tls
            .connect(server_name(target, address), stream)
            .await
            .map_err(|source| SendError::Tls { host: host(), source })?;
        let speaks_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if speaks_h2 {
            speak_h2(stream).await
        } else {
            speak_h1(stream).await
        }
    } else {
        speak_h1(stream).await
    };
    Ok((address, link.map_err(|error| SendError::exchange(host(), error))?))
}

async fn connect(addresses: &[IpAddr], port: u16) -> io::Result<(IpAddr, TcpStream)> {
    let mut waiting = addresses.iter().take(MOST_TRIED);
    let mut tried = FuturesUnordered::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            tried.push(connect_to(*address, port));
        }
        let outcome = if waiting.len() == 0 {
            tried.next().await
        } else {
            match tokio::time::timeout(HEAD_START, tried.next()).await {
                Ok(outcome) => outcome,
                Err(_elapsed) => continue,
            }
        };
        match outcome {
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(error)) => failure = error,
            None => return Err(failure),
        }
    }
}

async fn connect_to(address: IpAddr, port: u16) -> io::Result<(IpAddr, TcpStream)> {
    let stream = TcpStream::connect(SocketAddr::new(address, port)).await?;
    // Requests are written whole, so waiting for more to send would only delay them. It fails on a connection that
    // has already been reset, which whoever uses it will notice.
    let _ = stream.set_nodelay(true);
    Ok((address, stream))
}

fn server_name(target: &CheckedUrl, address: IpAddr) -> ServerName<'static> {
    let name = if target.address().is_some() {
        None
    } else {
        ServerName::try_from(target.host()).ok()
    };
    // A name that no certificate can carry (with an underscore, say) fails as one that does not match.
    name.map_or_else(|| ServerName::from(address), |name| name.to_owned())
}

async fn speak_h1<T>(stream: T) -> hyper::Result<Link>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES as usize)
        .handshake(TokioIo::new(stream))
        .await?;
    // Ends with its sender; what goes wrong on it reaches whoever waits for an answer.
    tokio::spawn(connection);
    Ok(Link::H1(sender))
}

async fn speak_h2<T>(stream: T) -> hyper::Result<Link>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(MAX_HEAD_BYTES)
        // Little more than the 64 KiB that are kept of an answer, so that an endless one is held up over there.
        .initial_stream_window_size(128 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(connection);
    Ok(Link::H2(sender))
}
