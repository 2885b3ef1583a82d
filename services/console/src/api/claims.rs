//! Idempotency keys, to be looked at.

use super::{directory, event_types, ok};
use crate::access::Opened;
use crate::show::ClaimView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

/// `claims/{scope}/{key}`: the scope is a source, a playbook, an endpoint or an event type of this workspace, by its id or
/// its slug or name.
pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let (_, scope, key) = path.into_inner();
    let missing = Error::NotFound { what: "claim" };
    let Some(scope) = find(&console, &opened, &scope).await? else {
        return Err(missing);
    };
    let claim = console.store().claim(&scope, &key).await?;
    Ok(ok(ClaimView::of(claim.ok_or(missing)?)))
}

/// The id of what has keys of its own.
async fn find(console: &Console, opened: &Opened, asked: &str) -> Result<Option<String>, Error> {
    let directory = directory(console, opened.id()).await?;
    let source = directory.sources.find(asked).map(ToString::to_string);
    let playbook = || directory.playbooks.find(asked).map(ToString::to_string);
    let endpoint = || directory.endpoints.find(asked).map(ToString::to_string);
    if let Some(found) = source.or_else(playbook).or_else(endpoint) {
        return Ok(Some(found));
    }
    match event_types::find(console, opened, asked).await {
        Ok(row) => Ok(Some(row.id.to_string())),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
