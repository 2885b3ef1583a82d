//! What is sent and what comes back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::Full;

use crate::header;
use crate::link::Message;
use crate::{Error, Security};

/// A request to an address that a stranger chose.
#[derive(Clone)]
pub struct Request {
    /// Any method but `CONNECT` and `TRACE`.
    pub method: Method,
    /// The URL as it was saved. It is parsed and checked again.
    pub url: String,
    /// Headers that this product sets; sent as they are. `Host`, `Content-Length` and whatever else frames the
    /// message are set by the connection, and refused here.
    pub headers: HeaderMap,
    /// Headers that a stranger wants, checked by [`crate::check_header`]. They replace those of the same name in
    /// `headers`; one that is given twice is sent twice.
    pub custom_headers: Vec<(String, String)>,
    /// The exact bytes of the body.
    pub body: Bytes,
    /// What is special about the secure connection; none for most receivers. Of no effect on `http` URLs.
    pub security: Option<Security>,
    /// How long to wait for what.
    pub deadlines: Deadlines,
    /// How many bytes of the answer's body to keep.
    pub max_answer_bytes: usize,
}

impl Request {
    /// At most this much of an answer's body is kept unless the caller says otherwise: 64 KiB.
    pub const DEFAULT_ANSWER_BYTES: usize = 64 * 1024;

    /// A request without headers of its own, within the default deadlines.
    pub fn new(method: Method, url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            custom_headers: Vec::new(),
            body: body.into(),
            security: None,
            deadlines: Deadlines::default(),
            max_answer_bytes: Self::DEFAULT_ANSWER_BYTES,
        }
    }

    /// Puts the message together: everything but where it goes, which depends on the connection.
    pub(crate) fn into_message(self, user_agent: &HeaderValue) -> Result<Message, Error> {
        let Self {
            method,
            mut headers,
            custom_headers,
            body,
            ..
        } = self;
        // Both make a tunnel or a mirror of the connection instead of a message (RFC 9110 §9.3.6, §9.3.8).
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(Error::Method {
                method: method.to_string(),
            });
        }
        if let Some(name) = headers
            .keys()
            .find(|name| wire::header::is_connections(name.as_str()))
        {
            return Err(Error::HeaderReserved {
                name: name.to_string(),
            });
        }
        headers.extend(header::parse_custom(&custom_headers)?);
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, user_agent.clone());
        }
        if !headers.contains_key(ACCEPT) {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        }
        let mut message = Message::new(Full::new(body));
        *message.method_mut() = method;
        *message.headers_mut() = headers;
        Ok(message)
    }
}

/// Shows nothing that may carry a token: neither the URL nor headers nor the body.
impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Request")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

/// How long a request may take, as a whole and in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For resolving the name, and again for the connection with its TLS handshake.
    pub connect: Duration,
    /// From the connection to the whole head of the answer: status and headers.
    pub first_byte: Duration,
    /// For everything, the answer's body included. What of the body is there by then is kept.
    pub total: Duration,
}

impl Deadlines {
    /// A receiver that has not even taken the connection after this time is not going to: 10 s.
    pub const DEFAULT_CONNECT: Duration = Duration::from_secs(10);

    /// Everything within `total`, and the connection within [`Deadlines::DEFAULT_CONNECT`] of it.
    pub fn within(total: Duration) -> Self {
        Self {
            connect: total.min(Self::DEFAULT_CONNECT),
            first_byte: total,
            total,
        }
    }
}

/// 15 s, the default timeout of an endpoint.
impl Default for Deadlines {
    fn default() -> Self {
        Self::within(Duration::from_secs(15))
    }
}

/// What the receiver answered. Any status is an answer, redirects too: they are never followed.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status; it decides, whatever became of the body.
    pub status: StatusCode,
    /// The headers, as received.
    pub headers: HeaderMap,
    /// The beginning of the body.
    pub body: Bytes,
    /// Whether the body was longer than what was kept, too slow, or broken off.
    pub body_truncated: bool,
    /// From the call to the end of the answer.
    pub elapsed: Duration,
}

/// Shows neither headers nor body, which belong to the receiver.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("body_truncated", &self.body_truncated)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}
