//! Requests that were refused, kept for the operator.

use super::body::Parameters;
use super::ok;
use super::page::{Page, next_cursor};
use crate::access::Opened;
use crate::show::RejectionView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use wire::RejectionId;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rejections {
    rejections: Vec<RejectionView>,
    next_cursor: Option<String>,
}

pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<RejectionId>::take(&mut parameters)?;
    parameters.finish()?;
    let found = console
        .store()
        .rejections(opened.id(), page.before, page.limit)
        .await?;
    Ok(ok(Rejections {
        next_cursor: next_cursor(&found, |row| row.id),
        rejections: found.rows.iter().map(RejectionView::of).collect(),
    }))
}
