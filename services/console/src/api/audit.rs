//! Who did what.

use super::body::Parameters;
use super::ok;
use super::page::{Page, next_cursor};
use crate::access::Opened;
use crate::show::AuditEntryView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use wire::AuditId;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Audit {
    audit: Vec<AuditEntryView>,
    next_cursor: Option<String>,
}

/// `?limit=&cursor=`
pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<AuditId>::take(&mut parameters)?;
    parameters.finish()?;
    let found = console
        .store()
        .audit(opened.id(), page.before, page.limit)
        .await?;
    Ok(ok(Audit {
        next_cursor: next_cursor(&found, |entry| entry.id),
        audit: found.rows.into_iter().map(AuditEntryView::of).collect(),
    }))
}
