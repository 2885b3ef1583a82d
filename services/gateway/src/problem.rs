//! What a refused or failed request is told.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;

/// One problem of a body, at a JSON pointer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Issue {
    pub(crate) path: String,
    pub(crate) message: String,
}

/// Why a request was not accepted. The code and the status are part of the contract, the message is for people.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The body is not what the door takes.
    InvalidBody(Issue),
    /// The same at the doors whose answers have no `issues`.
    Malformed(String),
    /// Door 1's key is missing.
    MissingKey,
    /// The key is empty, too long or has control characters.
    InvalidKey,
    /// The event type is too long or has control characters.
    InvalidEventType,
    /// The channel takes no direct requests.
    DirectIngestDisabled,
    /// The secret is missing or wrong.
    Unauthorized,
    /// The signature check failed.
    InvalidSignature,
    /// Door 5's sender is none of the registered contacts.
    UnknownSender,
    /// A handshake's token is wrong.
    HandshakeForbidden,
    /// A handshake asks for what is not echoed.
    HandshakeRefused,
    /// Nothing is here, or it is closed: the two look the same.
    NotFound,
    /// The method is not the door's.
    MethodNotAllowed,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The connection broke in the middle of the body.
    BodyBroken,
    /// The key was used with another body.
    Conflict,
    /// The body is over this many bytes.
    TooLarge(u64),
    /// The body is compressed.
    UnsupportedEncoding,
    /// Too many requests wait.
    Overloaded,
    /// The ledger does not answer.
    Unavailable,
    /// The adapter of an app does not answer, or nonsense.
    AdapterFailed,
    /// A fault of ours.
    Internal,
}

impl Problem {
    /// The stable word.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::InvalidBody(_) | Self::Malformed(_) | Self::BodyBroken => "invalid_body",
            Self::MissingKey => "missing_idempotency_key",
            Self::InvalidKey => "invalid_idempotency_key",
            Self::InvalidEventType => "invalid_event_type",
            Self::DirectIngestDisabled => "direct_ingest_disabled",
            Self::Unauthorized => "unauthorized",
            Self::InvalidSignature => "invalid_signature",
            Self::UnknownSender => "unknown_sender",
            Self::HandshakeForbidden => "forbidden",
            Self::HandshakeRefused => "invalid_challenge",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTimeout => "request_timeout",
            Self::Conflict => "idempotency_conflict",
            Self::TooLarge(_) => "payload_too_large",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::Overloaded => "rate_limited",
            Self::Unavailable | Self::AdapterFailed => "unavailable",
            Self::Internal => "internal_error",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::InvalidBody(issue) => return formatter.write_str(&issue.message),
            Self::Malformed(what) => return formatter.write_str(what),
            Self::TooLarge(limit) => return write!(formatter, "the body is over the limit of {limit} bytes"),
            Self::MissingKey => "the header X-Idempotency-Key is missing",
            Self::InvalidKey => "an idempotency key is 1 to 255 bytes without control characters, sent once",
            Self::InvalidEventType => {
                "an event type is 1 to 128 characters without control characters, sent once"
            }
            Self::DirectIngestDisabled => "this channel takes no direct requests",
            Self::Unauthorized => "the header X-Channel-Secret is missing or wrong",
            Self::InvalidSignature => "the signature does not match the request",
            Self::UnknownSender => "the sender is not a registered contact",
            Self::HandshakeForbidden => "the token of this handshake is wrong",
            Self::HandshakeRefused => "this challenge cannot be answered",
            Self::NotFound => "there is nothing here",
            Self::MethodNotAllowed => "this address takes POST",
            Self::BodyTimeout => "the body did not arrive in time",
            Self::BodyBroken => "the body ended early or is malformed",
            Self::Conflict => "this idempotency key was used with another body",
            Self::UnsupportedEncoding => {
                "compressed bodies are not taken here; send it without Content-Encoding"
            }
            Self::Overloaded => "too many requests at once; send it again in a moment",
            Self::Unavailable => "the event could not be recorded now; send it again in a moment",
            Self::AdapterFailed => "the app's adapter did not answer; send it again in a moment",
            Self::Internal => "something went wrong on our side; the request id names it in the logs",
        };
        formatter.write_str(text)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issues: Option<[&'a Issue; 1]>,
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::InvalidBody(_)
            | Self::Malformed(_)
            | Self::BodyBroken
            | Self::MissingKey
            | Self::InvalidKey
            | Self::InvalidEventType
            | Self::DirectIngestDisabled
            | Self::HandshakeRefused => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::InvalidSignature => StatusCode::UNAUTHORIZED,
            Self::HandshakeForbidden | Self::UnknownSender => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::AdapterFailed => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The shape of doors 1, 2, 4, 5, 6 and 7.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Overloaded | Self::Unavailable | Self::AdapterFailed => {
                response.insert_header((RETRY_AFTER, "1"))
            }
            Self::MethodNotAllowed => response.insert_header((ALLOW, "POST")),
            // What is left of the body is not read, so the connection cannot be used again.
            Self::TooLarge(_) | Self::BodyTimeout | Self::BodyBroken | Self::UnsupportedEncoding => {
                response.force_close()
            }
            _ => &mut response,
        };
        let issues = match self {
            Self::InvalidBody(issue) => Some([issue]),
            _ => None,
        };
        response.json(Body {
            error: self.code(),
            message: self.to_string(),
            issues,
        })
    }
}
