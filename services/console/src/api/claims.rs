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
    // A source and a playbook, say, may share a slug.
    for scope in find(&console, &opened, &scope).await? {
        if let Some(claim) = console.store().claim(&scope, &key).await? {
            return Ok(ok(ClaimView::of(claim)));
        }
    }
    Err(Error::NotFound { what: "claim" })
}

/// The ids of what is called this and has keys of its own.
async fn find(console: &Console, opened: &Opened, asked: &str) -> Result<Vec<String>, Error> {
    let directory = directory(console, opened.id()).await?;
    let configured = [
        directory.sources.find(asked).map(ToString::to_string),
        directory.playbooks.find(asked).map(ToString::to_string),
        directory.endpoints.find(asked).map(ToString::to_string),
    ];
    let mut found: Vec<String> = configured.into_iter().flatten().collect();
    match event_types::find(console, opened, asked).await {
        Ok(row) => found.push(row.id.to_string()),
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(found)
}
