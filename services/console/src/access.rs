//! Who may do what: a management token opens its own workspace, the operator's token opens all.
//!
//! A token need not say which workspace is its own: `-` stands for it. The operator's has none.
//!
//! A stranger learns nothing here: a wrong token, a token of another workspace and a workspace that does not exist are
//! the same 401.

use crate::{Console, Error, secret};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, ResponseError as _, web};
use moka::future::Cache;
use std::future::{Ready, ready};
use std::time::Duration;
use store::{Actor, AuditEntry, Store, Workspace};
use subtle::ConstantTimeEq;
use wire::WorkspaceId;

/// How long a token is remembered: a revoked one is dead within a second everywhere, and at once where it was revoked.
const REMEMBERED: Duration = Duration::from_secs(1);
/// How many tokens are remembered.
const TOKENS: u64 = 10_000;
/// Longer texts are no tokens of ours.
const LONGEST_TOKEN: usize = 512;
/// Where a workspace's name stands: the token's own. No slug and no id begins so.
const OWN: &str = "-";

/// Tokens that were looked up lately, by their hash. Only right ones: guesses leave nothing behind.
#[derive(Debug)]
pub(crate) struct Access {
    store: Store,
    tokens: Cache<[u8; 32], Opened>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A management token of the workspace.
    Token,
    /// The operator.
    Operator,
}

impl Access {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            tokens: Cache::builder()
                .max_capacity(TOKENS)
                .time_to_live(REMEMBERED)
                .build(),
        }
    }

    /// Forgets every token: something changed.
    pub(crate) fn forget(&self) {
        self.tokens.invalidate_all();
    }

    /// The workspace that a token opens, to whoever shows it.
    async fn opened_by(&self, token: &str) -> Result<Option<Opened>, Error> {
        let hash = secret::hash(token);
        if let Some(opened) = self.tokens.get(&hash).await {
            return Ok(Some(opened));
        }
        let Some(found) = self.store.management_token(hash).await? else {
            return Ok(None);
        };
        let workspace = self.store.workspace(found.workspace_id.as_str()).await?;
        let opened = workspace.map(|workspace| Opened {
            workspace,
            actor: Actor::token(&found.id, &found.name),
        });
        if let Some(opened) = &opened {
            self.tokens.insert(hash, opened.clone()).await;
        }
        Ok(opened)
    }
}

/// The token that a request shows, as its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown([u8; 32]);

impl Shown {
    /// Whether it is the token with this hash.
    pub(crate) fn is(self, token_hash: [u8; 32]) -> bool {
        self.0.ct_eq(&token_hash).into()
    }
}

impl FromRequest for Shown {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let shown = bearer(request).map(|token| Self(secret::hash(token)));
        ready(shown.ok_or(Error::Unauthorized))
    }
}

/// The workspace of the request, which the caller may see and change. No handler gets at one without it.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) workspace: Workspace,
    /// Who the caller is, for the audit.
    pub(crate) actor: Actor,
}

impl Opened {
    pub(crate) fn id(&self) -> &WorkspaceId {
        &self.workspace.id
    }

    /// That the caller does `action` here, to a thing with this id.
    pub(crate) fn did(&self, action: &'static str, id: &impl ToString) -> AuditEntry {
        AuditEntry::new(self.id(), &self.actor, action, id)
    }
}

impl FromRequest for Opened {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let opened = extensions.get::<Self>().cloned();
        ready(opened.ok_or_else(|| match extensions.get::<Caller>() {
            // The operator may know what there is.
            Some(Caller::Operator) => Error::NotFound { what: "workspace" },
            Some(Caller::Token) | None => Error::Unauthorized,
        }))
    }
}

/// The caller of a request that may be about a workspace that is not there yet.
impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(
            request
                .extensions()
                .get::<Self>()
                .copied()
                .ok_or(Error::Unauthorized),
        )
    }
}

/// In front of everything below `/management/v1/workspaces/{workspace}`.
pub(crate) async fn guard<B: MessageBody + 'static>(
    console: web::Data<Console>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let asked = request.match_info().query("workspace").to_owned();
    let (caller, opened) = match authenticate(&console, request.request(), &asked).await {
        Ok(allowed) => allowed,
        // As an answer, not as an error: what stands around has its headers to add.
        Err(error) => {
            return Ok(request
                .into_response(error.error_response())
                .map_into_right_body());
        }
    };
    request.extensions_mut().insert(caller);
    if let Some(opened) = opened {
        request.extensions_mut().insert(opened);
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn authenticate(
    console: &Console,
    request: &HttpRequest,
    asked: &str,
) -> Result<(Caller, Option<Opened>), Error> {
    let token = bearer(request).ok_or(Error::Unauthorized)?;
    let operator = console.settings().operator_token.as_ref();
    if operator.is_some_and(|operator| secret::is_same(operator, token)) {
        // What is not printable names nothing, and a database may refuse to be asked for it.
        let could_be_one = asked.bytes().all(|byte| byte.is_ascii_graphic());
        let workspace = if could_be_one {
            console.store().workspace(asked).await?
        } else {
            None
        };
        let opened = workspace.map(|workspace| Opened {
            workspace,
            actor: Actor::operator(),
        });
        return Ok((Caller::Operator, opened));
    }
    let opened = console.0.access.opened_by(token).await?;
    let opened = opened.ok_or(Error::Unauthorized)?;
    let workspace = &opened.workspace;
    let is_own = [OWN, workspace.id.as_str(), workspace.slug.as_str()].contains(&asked);
    if !is_own {
        return Err(Error::Unauthorized);
    }
    Ok((Caller::Token, Some(opened)))
}

/// The token of the one `Authorization: Bearer …`.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    (is_bearer && (1..=LONGEST_TOKEN).contains(&token.len())).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_token_stands_in_one_bearer_header() {
        let token = |lines: &[&str]| {
            let request = lines.iter().fold(TestRequest::default(), |request, line| {
                request.append_header((AUTHORIZATION, *line))
            });
            bearer(&request.to_http_request()).map(str::to_owned)
        };
        assert_eq!(token(&["Bearer nhm_a"]).as_deref(), Some("nhm_a"));
        assert_eq!(token(&["bearer  nhm_a "]).as_deref(), Some("nhm_a"));
        for lines in [
            &[][..],
            &["nhm_a"],
            &["Basic nhm_a"],
            &["Bearer "],
            &["Bearer"],
            &["Bearer a", "Bearer a"],
        ] {
            assert_eq!(token(lines), None, "{lines:?}");
        }
    }
}
