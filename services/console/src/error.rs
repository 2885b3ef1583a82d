//! What the management API answers when it does not do what it was asked.
//!
//! `{"error":{"code":"…","message":"…"}}`, and `details` with every path for a 400. The code and the status are part of
//! the contract; the message is for people.

use crate::Problem;
use crate::check::definition;
use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use playbook::Issue;
use serde::Serialize;
use serde_json::{Value, json};

/// Why a request was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body, or a configuration, is not what it must be.
    #[error("{}", summary(.0))]
    Invalid(Vec<Problem>),
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// A parameter of the query is not what it must be.
    #[error("the query parameter `{name}` {message}")]
    Query {
        /// Which one.
        name: &'static str,
        /// What would be right.
        message: String,
    },
    /// No token, a wrong one, or one of another workspace; or there is no such workspace.
    #[error("the header Authorization must be `Bearer` and a management token of this workspace")]
    Unauthorized,
    /// There is no such thing.
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// The address exists, but not for this method.
    #[error("this address does not take that method; the header Allow names those it takes")]
    MethodNotAllowed {
        /// For the header.
        allow: String,
    },
    /// Another thing has that slug, name, number, token or id.
    #[error("{what} is taken by another thing")]
    Taken {
        /// What must be unique.
        what: String,
    },
    /// Something else still needs it.
    #[error("{what} is still in use: {by}")]
    InUse {
        /// What was to be removed.
        what: String,
        /// By what.
        by: String,
    },
    /// What it refers to is gone, or what is to go is referred to again: somebody else was faster.
    #[error("something else changed meanwhile, and this does not fit any more; look again, and ask again")]
    Dangling,
    /// Somebody else changed the same thing again and again while this was about to.
    #[error("`{what}` is being changed by somebody else; look again, and ask again")]
    Changed {
        /// Its id.
        what: String,
    },
    /// Its state does not allow it.
    #[error("{0}")]
    State(&'static str),
    /// A run that has ended cannot do that.
    #[error("this run has ended ({state}), so there is nothing to {what}")]
    RunEnded {
        /// What was wished: a verb.
        what: &'static str,
        /// How it ended.
        state: wire::RunState,
    },
    /// A run cannot do that now.
    #[error("this run is {state}, and cannot {what} now")]
    RunState {
        /// What was wished: a verb.
        what: &'static str,
        /// Where it is.
        state: wire::RunState,
    },
    /// Not everything is done yet.
    #[error("not all runs are told to end yet; send it again to go on")]
    Unfinished,
    /// A playbook's document is not what it must be.
    #[error("the definition is not valid: {}", .0.first().map(definition::told).unwrap_or_default())]
    InvalidDefinition(Vec<Issue>),
    /// A run's input is not what its playbook asks for.
    #[error("the input is not what the playbook asks for: {}", summary(.0))]
    InvalidInput(Vec<Problem>),
    /// The project that a run is targeted at is gone or disabled.
    #[error("the project that the playbook is targeted at is gone or disabled")]
    NoProject,
    /// The template that a run is targeted at is gone.
    #[error("the template that the playbook is targeted at is gone")]
    NoTemplate,
    /// The application has as many endpoints as it may have.
    #[error("{what} may have {most} endpoints, and has them already; disabled ones count")]
    Full {
        /// Which application.
        what: String,
        /// How many it may have.
        most: u64,
    },
    /// There are more of a kind than are listed at once, and a part of the list would be taken for all of it.
    #[error(
        "there are more than {most} {what}, too many to be looked through at once; remove those that are not used"
    )]
    TooMany {
        /// Which things.
        what: &'static str,
        /// How many are listed.
        most: u64,
    },
    /// A rejection that cannot be let in, whatever is mended.
    #[error("it cannot be accepted: {0}")]
    NotAcceptable(String),
    /// A rejection that its door would refuse again.
    #[error("it is refused again ({reason}): {detail}")]
    StillRefused {
        /// What its sender would be told.
        code: &'static str,
        /// The cause, as the rejection has it.
        reason: String,
        /// For a person.
        detail: String,
    },
    /// The gateway does not answer, or not as one.
    #[error("the gateway cannot be asked (console.gateway_url): {0}")]
    Unreached(String),
    /// The body is over the limit.
    #[error("the body is over the limit of {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The body is compressed.
    #[error("compressed bodies are not taken here; send it without Content-Encoding")]
    Encoding,
    /// The connection broke in the middle of the body.
    #[error("the body ended early")]
    BrokenBody,
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    SlowBody,
    /// The ledger failed.
    #[error("the ledger could not be asked")]
    Store(#[source] store::Error),
    /// What was started by hand could not be recorded.
    #[error("this could not be recorded")]
    Record(#[source] store::AcceptError),
    /// No expression could be checked.
    #[error("expressions cannot be checked now")]
    Jail(#[source] expression::JailError),
    /// The engine of playbooks failed.
    #[error("a playbook could not be checked")]
    Engine(#[source] Box<playbook::StepError>),
}

fn summary(problems: &[Problem]) -> String {
    match problems {
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
        [] => "the document is not valid".to_owned(),
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Taken { constraint } => Self::Taken {
                what: unique(&constraint).to_owned(),
            },
            store::Error::Dangling { .. } => Self::Dangling,
            store::Error::Changed { what } => Self::Changed { what },
            store::Error::Full { what, most } => Self::Full { what, most },
            store::Error::Unbounded { what, most } => Self::TooMany { what, most },
            other => Self::Store(other),
        }
    }
}

/// What a constraint keeps unique. Postgres names it as the migrations do (`sources_slug_key`), SQLite names the columns
/// (`sources.workspace_id, sources.slug`); in both, the last word decides, but for those whose last word is others', too.
fn unique(constraint: &str) -> &str {
    if constraint.starts_with("the id ") {
        return constraint;
    }
    let named = constraint.strip_suffix("_key").unwrap_or(constraint);
    match named.rsplit(['.', '_']).next().unwrap_or_default() {
        _ if named.ends_with("external_id") => "the external id",
        _ if named.ends_with("app_id") => "the app's id",
        _ if named.starts_with("contact_addresses") => "the address",
        "slug" => "the slug",
        "name" => "the name",
        "number" => "the number",
        "token" | "hash" => "the token",
        "pkey" => "the id",
        "id" if !named.ends_with("_id") => "the id",
        "default" | "id" if named.starts_with("environments") => "the place of the default environment",
        _ => "something unique about it",
    }
}

impl Error {
    /// The stable word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::NotJson(_) | Self::BrokenBody => "invalid_body",
            Self::Query { .. } => "invalid_query",
            Self::Unauthorized => "unauthorized",
            Self::NotFound { .. } => "not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::Taken { .. } | Self::Dangling | Self::Changed { .. } => "conflict",
            Self::InUse { .. } => "in_use",
            Self::State(_) | Self::NotAcceptable(_) | Self::RunState { .. } => "invalid_state",
            Self::RunEnded { .. } => "run_ended",
            Self::StillRefused { code, .. } => code,
            Self::InvalidDefinition(_) => "invalid_definition",
            Self::InvalidInput(_) => "invalid_input",
            Self::NoProject => "project_not_found",
            Self::NoTemplate => "template_not_found",
            Self::Full { .. } => "application_endpoint_limit_reached",
            Self::TooMany { .. } => "too_many",
            Self::TooLarge { .. } => "payload_too_large",
            Self::Encoding => "unsupported_encoding",
            Self::SlowBody => "request_timeout",
            Self::Store(error) if error.is_transient() => "unavailable",
            Self::Record(store::AcceptError::Refused(_)) | Self::Store(_) | Self::Engine(_) => {
                "internal_error"
            }
            Self::Record(_) | Self::Jail(_) | Self::Unreached(_) | Self::Unfinished => "unavailable",
        }
    }

    /// What a 400 tells beside its message.
    fn details(&self) -> Option<Vec<Problem>> {
        match self {
            Self::Invalid(problems) => Some(problems.clone()),
            Self::NotJson(_) | Self::BrokenBody => Some(vec![Problem::new("", self.to_string())]),
            Self::Query { name, message } => Some(vec![Problem::new(*name, message.clone())]),
            _ => None,
        }
    }

    /// Why a door refuses a rejection again.
    fn reason(&self) -> Option<&str> {
        match self {
            Self::StillRefused { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// What a 422 tells beside its message.
    fn issues(&self) -> Option<Value> {
        match self {
            Self::InvalidDefinition(issues) => Some(json!(issues)),
            Self::InvalidInput(issues) => Some(json!(issues)),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: Said<'a>,
}

#[derive(Serialize)]
struct Said<'a> {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Problem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issues: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::NotJson(_) | Self::BrokenBody | Self::Query { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Full { .. } => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Taken { .. }
            | Self::Dangling
            | Self::Changed { .. }
            | Self::InUse { .. }
            | Self::State(_)
            | Self::RunEnded { .. }
            | Self::RunState { .. }
            | Self::NotAcceptable(_) => StatusCode::CONFLICT,
            Self::InvalidDefinition(_)
            | Self::InvalidInput(_)
            | Self::NoProject
            | Self::NoTemplate
            | Self::TooMany { .. }
            | Self::StillRefused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Store(error) if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Record(store::AcceptError::Refused(_)) | Self::Store(_) | Self::Engine(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Record(_) | Self::Jail(_) | Self::Unreached(_) | Self::Unfinished => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let message = match self {
            Self::Store(_) | Self::Record(_) | Self::Jail(_) if status == StatusCode::SERVICE_UNAVAILABLE => {
                tracing::warn!(
                    error.chain = self as &dyn std::error::Error,
                    "a request must be tried again"
                );
                "this cannot be done now; send it again in a moment".to_owned()
            }
            Self::Store(_) | Self::Record(_) | Self::Engine(_) => {
                tracing::error!(error.chain = self as &dyn std::error::Error, "a request failed");
                "something went wrong on our side; the request id names it in the logs".to_owned()
            }
            other => other.to_string(),
        };
        let mut response = HttpResponse::build(status);
        match self {
            Self::Unauthorized => response.insert_header((WWW_AUTHENTICATE, "Bearer")),
            Self::MethodNotAllowed { allow } => {
                response.insert_header((actix_web::http::header::ALLOW, allow.as_str()))
            }
            // What is left of the body is not read, so the connection cannot be used again.
            Self::TooLarge { .. } | Self::Encoding | Self::BrokenBody | Self::SlowBody => {
                response.force_close()
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => response.insert_header((RETRY_AFTER, "1")),
            _ => &mut response,
        };
        response.json(Body {
            error: Said {
                code: self.code(),
                message,
                details: self.details(),
                issues: self.issues(),
                reason: self.reason(),
            },
        })
    }
}

#[cfg(test)]
impl Error {
    /// Every error there is. A test compares their codes with those that stand in [`Self::code`].
    pub(crate) fn one_of_each() -> Vec<Self> {
        let text = String::new;
        let again = |code| Self::StillRefused {
            code,
            reason: text(),
            detail: text(),
        };
        let not_json = serde_json::from_str::<Value>("{").unwrap_err();
        vec![
            Self::Invalid(Vec::new()),
            Self::NotJson(not_json),
            Self::Query {
                name: "",
                message: text(),
            },
            Self::Unauthorized,
            Self::NotFound { what: "" },
            Self::MethodNotAllowed { allow: text() },
            Self::Taken { what: text() },
            Self::InUse {
                what: text(),
                by: text(),
            },
            Self::Dangling,
            Self::Changed { what: text() },
            Self::State(""),
            Self::RunEnded {
                what: "pause",
                state: wire::RunState::Completed,
            },
            Self::RunState {
                what: "resume",
                state: wire::RunState::Running,
            },
            Self::Unfinished,
            Self::InvalidDefinition(Vec::new()),
            Self::InvalidInput(Vec::new()),
            Self::NoProject,
            Self::NoTemplate,
            Self::Full {
                what: text(),
                most: 1,
            },
            Self::TooMany { what: "", most: 1 },
            Self::NotAcceptable(text()),
            // The words that `doors` lets through.
            again("invalid_signature"),
            again("unknown_sender"),
            again("not_acceptable"),
            Self::Unreached(text()),
            Self::TooLarge { limit: 1 },
            Self::Encoding,
            Self::BrokenBody,
            Self::SlowBody,
            Self::Record(store::AcceptError::Unknown),
            Self::Engine(playbook::StepError::Broken(text()).into()),
            Self::Store(store::Error::Taken { constraint: text() }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_named_alike_on_both_databases() {
        for (postgres, sqlite, what) in [
            (
                "sources_slug_key",
                "sources.workspace_id, sources.slug",
                "the slug",
            ),
            ("sources_token_key", "sources.token", "the token"),
            (
                "management_tokens_name_key",
                "management_tokens.workspace_id, management_tokens.name",
                "the name",
            ),
            (
                "playbooks_number_key",
                "playbooks.workspace_id, playbooks.number",
                "the number",
            ),
            (
                "management_tokens_token_hash_key",
                "management_tokens.token_hash",
                "the token",
            ),
            (
                "environments_default_key",
                "environments.workspace_id",
                "the place of the default environment",
            ),
            ("endpoints_pkey", "endpoints.id", "the id"),
            (
                "applications_external_id_key",
                "applications.workspace_id, applications.external_id",
                "the external id",
            ),
            ("sources_app_id_key", "sources.app_id", "the app's id"),
            (
                "contact_addresses_pkey",
                "contact_addresses.source_id, contact_addresses.address",
                "the address",
            ),
            (
                "routes_subscription_key",
                "routes.endpoint_id, routes.event_type_id",
                "something unique about it",
            ),
        ] {
            assert_eq!((unique(postgres), unique(sqlite)), (what, what));
        }
    }
}
