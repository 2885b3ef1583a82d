//! One connection, in either version of HTTP.

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Scheme, Uri};
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};

use crate::CheckedUrl;

/// The message as it goes onto a connection.
pub(crate) type Message = Request<Full<Bytes>>;

/// The sending end of a connection. Dropping the last one closes it.
#[derive(Debug)]
pub(crate) enum Link {
    /// Carries one request at a time.
    H1(http1::SendRequest<Full<Bytes>>),
    /// Carries any number, through clones.
    H2(http2::SendRequest<Full<Bytes>>),
}

impl Link {
    /// Sends a message and waits for the head of its answer. A failure gives the message back if nothing of it was
    /// sent.
    ///
    /// Cancel-safe: dropping the future ends the connection (HTTP/1.1) or the stream (HTTP/2).
    pub(crate) async fn send(
        &mut self,
        mut message: Message,
        target: &CheckedUrl,
    ) -> Result<Response<Incoming>, TrySendError<Message>> {
        match self {
            Self::H1(sender) => {
                address_h1(&mut message, target);
                sender.try_send_request(message).await
            }
            Self::H2(sender) => {
                address_h2(&mut message, target);
                sender.try_send_request(message).await
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::H1(sender) => sender.is_closed(),
            Self::H2(sender) => sender.is_closed(),
        }
    }

    /// Whether another request can be sent at once.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::H1(sender) => sender.is_ready(),
            Self::H2(sender) => sender.is_ready(),
        }
    }

    /// Waits until another request can be sent; `false` if none ever can.
    pub(crate) async fn ready(&mut self) -> bool {
        match self {
            Self::H1(sender) => sender.ready().await.is_ok(),
            Self::H2(sender) => sender.ready().await.is_ok(),
        }
    }
}

/// The path alone, and the host in a header (RFC 9112 §3.2.1).
fn address_h1(message: &mut Message, target: &CheckedUrl) {
    *message.version_mut() = Version::HTTP_11;
    *message.uri_mut() = Uri::from(target.path_and_query().clone());
    message.headers_mut().insert(HOST, target.host_header().clone());
}

/// Scheme, authority and path, which become pseudo-headers (RFC 9113 §8.3.1).
fn address_h2(message: &mut Message, target: &CheckedUrl) {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(target.authority().clone());
    parts.path_and_query = Some(target.path_and_query().clone());
    *message.version_mut() = Version::HTTP_2;
    *message.uri_mut() = Uri::from_parts(parts)
        .expect("a URI with scheme, authority and path is whole because nothing is missing");
    message.headers_mut().remove(HOST);
}
