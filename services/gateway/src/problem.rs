//! What a refused or failed request is told.

use crate::limits::Allowance;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use std::fmt;
use wire::ParseEventTypeError;
use wire::resource::KeyScope;

/// One problem of a body, at a JSON pointer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Issue {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
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
    /// Door 3's event type is not a dotted name.
    InvalidEventTypeName,
    /// The channel takes no direct requests.
    DirectIngestDisabled,
    /// Door 1's secret is missing or wrong.
    Unauthorized,
    /// Door 2's secret is missing or wrong.
    InvalidWebhookSecret,
    /// The API key is missing, malformed, revoked or was never one.
    UnknownKey,
    /// The API key is switched off.
    KeyDisabled,
    /// The API key may not do this.
    InsufficientScope(KeyScope),
    /// A limit of the key or of the workspace is used up.
    RateLimited(Allowance),
    /// The run's project is not there.
    ProjectNotFound,
    /// The run's template is not there.
    TemplateNotFound,
    /// The run's input is not what the playbook asks for.
    InvalidInput(Vec<Issue>),
    /// The same at the doors whose answers have no `issues`.
    UnfitInput(String),
    /// The trigger is switched off.
    TriggerDisabled,
    /// The workspace has more event types than senders may register.
    TooManyTypes,
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
    MethodNotAllowed {
        /// Those that are: `GET, POST`.
        allow: String,
    },
    /// The body did not arrive in time.
    BodyTimeout,
    /// The connection broke in the middle of the body; with an issue where the answer's shape has a place for one.
    BodyBroken(Option<Issue>),
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

/// What [`Problem::BodyBroken`] says.
const BROKEN: &str = "the body ended early or is malformed";

impl Problem {
    /// The stable word.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::InvalidBody(_) | Self::Malformed(_) | Self::BodyBroken(_) => "invalid_body",
            Self::MissingKey => "missing_idempotency_key",
            Self::InvalidKey => "invalid_idempotency_key",
            Self::InvalidEventType | Self::InvalidEventTypeName => "invalid_event_type",
            Self::DirectIngestDisabled => "direct_ingest_disabled",
            Self::Unauthorized | Self::UnknownKey => "unauthorized",
            Self::InvalidWebhookSecret => "invalid_webhook_secret",
            Self::KeyDisabled => "token_disabled",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::ProjectNotFound => "project_not_found",
            Self::TemplateNotFound => "template_not_found",
            Self::InvalidInput(_) | Self::UnfitInput(_) => "invalid_input",
            Self::TriggerDisabled => "trigger_disabled",
            Self::TooManyTypes => "too_many_event_types",
            Self::InvalidSignature => "invalid_signature",
            Self::UnknownSender => "unknown_sender",
            Self::HandshakeForbidden => "forbidden",
            Self::HandshakeRefused => "invalid_challenge",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::BodyTimeout => "request_timeout",
            Self::Conflict => "idempotency_conflict",
            Self::TooLarge(_) => "payload_too_large",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::Overloaded | Self::RateLimited(_) => "rate_limited",
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
            Self::UnfitInput(what) => {
                return write!(formatter, "the input is not what the playbook asks for: {what}");
            }
            Self::TooLarge(limit) => return write!(formatter, "the body is over the limit of {limit} bytes"),
            Self::MissingKey => "the header X-Idempotency-Key is missing",
            Self::InvalidKey => "an idempotency key is 1 to 255 bytes without control characters, sent once",
            Self::InvalidEventType => {
                "an event type is 1 to 128 characters without control characters, sent once"
            }
            Self::InvalidEventTypeName => return ParseEventTypeError.fmt(formatter),
            Self::DirectIngestDisabled => "this channel takes no direct requests",
            Self::Unauthorized => "the header X-Channel-Secret is missing or wrong",
            Self::InvalidWebhookSecret => "the header X-Webhook-Secret is missing or wrong",
            Self::UnknownKey => {
                "the API key is missing, malformed or revoked; send it as `Authorization: Bearer nhk_…`"
            }
            Self::KeyDisabled => "this API key is disabled",
            Self::InsufficientScope(scope) => {
                return write!(
                    formatter,
                    "this API key does not have the scope `{}`",
                    scope.as_str()
                );
            }
            Self::RateLimited(allowance) => {
                let wait = allowance.retry_after();
                return write!(formatter, "the rate limit is used up; send it again in {wait} s");
            }
            Self::ProjectNotFound => "the project that the run is targeted at does not exist",
            Self::TemplateNotFound => "the template that the run is targeted at does not exist",
            Self::InvalidInput(_) => "the input is not what the playbook asks for",
            Self::TriggerDisabled => "this trigger is disabled",
            Self::TooManyTypes => {
                "the workspace has too many event types; register this one over the management API"
            }
            Self::InvalidSignature => "the signature does not match the request",
            Self::UnknownSender => "the sender is not a registered contact",
            Self::HandshakeForbidden => "the token of this handshake is wrong",
            Self::HandshakeRefused => "this challenge cannot be answered",
            Self::NotFound => "there is nothing here",
            Self::MethodNotAllowed { allow } => return write!(formatter, "this address takes {allow}"),
            Self::BodyTimeout => "the body did not arrive in time",
            Self::BodyBroken(_) => BROKEN,
            Self::Conflict => "this idempotency key was used with another body",
            Self::UnsupportedEncoding => {
                "bodies that are compressed like this are not taken here; send it without Content-Encoding"
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
    issues: Option<&'a [Issue]>,
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::InvalidBody(_)
            | Self::Malformed(_)
            | Self::BodyBroken(_)
            | Self::MissingKey
            | Self::InvalidKey
            | Self::InvalidEventType
            | Self::InvalidEventTypeName
            | Self::DirectIngestDisabled
            | Self::HandshakeRefused => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::InvalidSignature | Self::InvalidWebhookSecret | Self::UnknownKey => {
                StatusCode::UNAUTHORIZED
            }
            Self::HandshakeForbidden
            | Self::UnknownSender
            | Self::KeyDisabled
            | Self::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Self::ProjectNotFound | Self::TemplateNotFound | Self::InvalidInput(_) | Self::UnfitInput(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict | Self::TriggerDisabled | Self::TooManyTypes => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Overloaded | Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::AdapterFailed => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The shape of doors 1, 2, 4, 5, 6 and 7.
    fn error_response(&self) -> HttpResponse {
        let mut response = self.head(self.status_code());
        response.json(Body {
            error: self.code(),
            message: self.to_string(),
            issues: self.issues(),
        })
    }
}

impl Problem {
    /// The method is not `POST`, and nothing else is taken.
    pub(crate) fn only_post() -> Self {
        let allow = "POST".to_owned();
        Self::MethodNotAllowed { allow }
    }

    /// Whether the same request may succeed later, as it is.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Overloaded | Self::RateLimited(_) | Self::Unavailable)
    }

    /// The answer without its body.
    fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        match self {
            Self::Overloaded | Self::Unavailable | Self::AdapterFailed => {
                response.insert_header((RETRY_AFTER, "1"));
            }
            Self::RateLimited(allowance) => {
                response.insert_header((RETRY_AFTER, allowance.retry_after()));
                allowance.show(&mut response);
            }
            Self::UnknownKey | Self::KeyDisabled | Self::InsufficientScope(_) => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            Self::MethodNotAllowed { allow } => {
                response.insert_header((ALLOW, allow.as_str()));
            }
            // What is left of the body is not read, so the connection cannot be used again.
            Self::TooLarge(_) | Self::BodyTimeout | Self::BodyBroken(_) | Self::UnsupportedEncoding => {
                response.force_close();
            }
            _ => {}
        }
        response
    }

    /// The same for the doors whose answers have no `issues`: the message says it all.
    pub(crate) fn in_words(self) -> Self {
        match self {
            Self::InvalidBody(issue) => Self::Malformed(issue.to_string()),
            Self::InvalidInput(issues) => {
                let issues: Vec<String> = issues.iter().map(Issue::to_string).collect();
                Self::UnfitInput(issues.join("; "))
            }
            other => other,
        }
    }

    /// The same for doors 1 and 2, whose `invalid_body` has `issues` whatever is wrong with the body.
    pub(crate) fn in_issues(self) -> Self {
        match self {
            Self::BodyBroken(None) => Self::BodyBroken(Some(Issue {
                path: String::new(),
                message: BROKEN.to_owned(),
            })),
            other => other,
        }
    }

    fn issues(&self) -> Option<&[Issue]> {
        match self {
            Self::InvalidBody(issue) | Self::BodyBroken(Some(issue)) => Some(std::slice::from_ref(issue)),
            Self::InvalidInput(issues) => Some(issues),
            _ => None,
        }
    }
}

/// The same in the shape of door 3: `{"error":{"code","message","details"?}}`, and 504 where the others say 503.
#[derive(Debug)]
pub(crate) struct SendProblem(pub(crate) Problem);

impl From<Problem> for SendProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

/// An error at door 3, of a request or of an item of a batch.
#[derive(Debug, Serialize)]
pub(crate) struct SendError {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Issue>>,
}

#[cfg(test)]
impl SendError {
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }
}

impl SendError {
    /// The same for an item of a batch, whose error has no `details`.
    pub(crate) fn of_item(self) -> Self {
        let details = None;
        Self { details, ..self }
    }
}

impl SendProblem {
    /// What the sender is told.
    pub(crate) fn error(&self) -> SendError {
        let is_bad_request = self.status_code() == StatusCode::BAD_REQUEST;
        SendError {
            code: match self.0 {
                Problem::Unavailable => "ingest_timeout",
                ref other => other.code(),
            },
            message: self.0.to_string(),
            details: is_bad_request.then(|| self.0.issues().unwrap_or_default().to_vec()),
        }
    }
}

impl fmt::Display for SendProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl ResponseError for SendProblem {
    fn status_code(&self) -> StatusCode {
        match self.0 {
            Problem::Unavailable => StatusCode::GATEWAY_TIMEOUT,
            ref other => other.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Body {
            error: SendError,
        }
        let error = self.error();
        self.0.head(self.status_code()).json(Body { error })
    }
}

#[cfg(test)]
impl Problem {
    /// Every problem there is. A test compares their codes with those that stand in [`Self::code`].
    pub(crate) fn one_of_each() -> Vec<Self> {
        let issue = || Issue {
            path: String::new(),
            message: String::new(),
        };
        vec![
            Self::InvalidBody(issue()),
            Self::Malformed(String::new()),
            Self::MissingKey,
            Self::InvalidKey,
            Self::InvalidEventType,
            Self::InvalidEventTypeName,
            Self::DirectIngestDisabled,
            Self::Unauthorized,
            Self::InvalidWebhookSecret,
            Self::UnknownKey,
            Self::KeyDisabled,
            Self::InsufficientScope(KeyScope::Ingest),
            Self::RateLimited(Allowance::default()),
            Self::ProjectNotFound,
            Self::TemplateNotFound,
            Self::InvalidInput(vec![issue()]),
            Self::UnfitInput(String::new()),
            Self::TriggerDisabled,
            Self::TooManyTypes,
            Self::InvalidSignature,
            Self::UnknownSender,
            Self::HandshakeForbidden,
            Self::HandshakeRefused,
            Self::NotFound,
            Self::only_post(),
            Self::BodyTimeout,
            Self::BodyBroken(None),
            Self::Conflict,
            Self::TooLarge(1),
            Self::UnsupportedEncoding,
            Self::Overloaded,
            Self::Unavailable,
            Self::AdapterFailed,
            Self::Internal,
        ]
    }
}
