//! What goes into a verification and what comes out of it.

use secrecy::SecretString;
use serde::Serialize;

use crate::key::Secret;
use crate::reason::Reason;
use crate::request::Request;
use crate::trail::Trail;

/// What a source brings to a verification.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The secrets, any of which may match.
    pub secrets: &'a [Secret],
    /// The token that a handshake must show (Meta, Strava, eBay).
    pub verify_token: Option<&'a SecretString>,
    /// The document at [`Profile::key_url`](crate::Profile::key_url), fetched by the caller.
    pub fetched_key: Option<&'a str>,
}

/// Whether a request is authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Valid {
        /// The index of the secret that matched. `None` where a fetched key decided alone.
        secret: Option<usize>,
    },
    /// It is not.
    Invalid(Reason),
}

impl Verdict {
    /// True for a valid request.
    pub const fn is_valid(self) -> bool {
        matches!(self, Self::Valid { .. })
    }

    /// The reason of an invalid one.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Valid { .. } => None,
            Self::Invalid(reason) => Some(reason),
        }
    }
}

impl From<Result<Option<usize>, Reason>> for Verdict {
    fn from(result: Result<Option<usize>, Reason>) -> Self {
        match result {
            Ok(secret) => Self::Valid { secret },
            Err(reason) => Self::Invalid(reason),
        }
    }
}

/// One verification in progress.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) credentials: &'a Credentials<'a>,
    pub(crate) now_ms: i64,
    pub(crate) trail: Trail,
}
