//! Idempotency keys, to be looked at.

use super::{directory, ok};
use crate::access::Opened;
use crate::show::ClaimView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

/// `claims/{scope}/{key}`: the scope is a source, by its id or its slug, and it must be one of this workspace.
pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let (_, scope, key) = path.into_inner();
    let missing = Error::NotFound { what: "claim" };
    let directory = directory(&console, opened.id()).await?;
    let Some(scope) = directory.sources.find(&scope) else {
        return Err(missing);
    };
    let claim = console.store().claim(scope.as_str(), &key).await?;
    Ok(ok(ClaimView::of(claim.ok_or(missing)?)))
}
