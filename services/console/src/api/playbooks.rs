//! Named workflow documents. They are configured as code until their engine is here to check them.

use super::{directory, ok};
use crate::access::Opened;
use crate::show::PlaybookView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().playbooks(opened.id()).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(rows
        .iter()
        .map(|row| PlaybookView::of(row, &directory))
        .collect::<Vec<_>>()))
}

/// By slug or id.
pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = console.store().playbook(opened.id(), &path.1).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(PlaybookView::of(
        &row.ok_or(Error::NotFound { what: "playbook" })?,
        &directory,
    )))
}
