//! Named workflow documents. They are configured as code until their engine is here to check them.

use super::ok;
use crate::access::Opened;
use crate::show::PlaybookView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().playbooks(opened.id()).await?;
    Ok(ok(rows.iter().map(PlaybookView::of).collect::<Vec<_>>()))
}

/// By slug or id.
pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let rows = console.store().playbooks(opened.id()).await?;
    let row = rows
        .iter()
        .find(|row| row.id.as_str() == path.1 || row.spec.slug == path.1);
    Ok(ok(PlaybookView::of(
        row.ok_or(Error::NotFound { what: "playbook" })?,
    )))
}
