//! Requests that were refused, kept for the operator.

use super::body::{Parameters, query};
use super::page::{Page, next_cursor};
use super::{directory, ok};
use crate::access::Opened;
use crate::doors::Doors;
use crate::show::RejectionView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use store::{Rejection, RejectionFilter};
use wire::{EventId, Instant, RejectionId};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rejections {
    rejections: Vec<RejectionView>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    event_id: EventId,
    status: String,
}

/// `?source=&cause=&limit=&cursor=`; a source by its slug or its id.
pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<RejectionId>::take(&mut parameters)?;
    let directory = directory(&console, opened.id()).await?;
    let mut filter = RejectionFilter {
        cause: parameters.take("cause")?,
        ..RejectionFilter::default()
    };
    for name in ["source", "sourceId"] {
        if let Some(source) = parameters.take(name)? {
            let found = directory.sources.find(&source);
            let found = found.ok_or_else(|| query(name, "is no source of this workspace"))?;
            filter.source_id = Some(found.clone());
        }
    }
    parameters.finish()?;
    let found = console
        .store()
        .rejections(opened.id(), filter, page.before, page.limit)
        .await?;
    let views = found.rows.iter().map(|row| RejectionView::of(row, &directory));
    Ok(ok(Rejections {
        rejections: views.collect(),
        next_cursor: next_cursor(&found, |row| row.id),
    }))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(RejectionView::of(&row, &directory)))
}

/// Lets it in, if its door takes it by now.
pub(super) async fn accept(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    if let Some(event) = row.event_id {
        return Err(Error::NotAcceptable(format!("it became {event} already")));
    }
    if !row.is_whole {
        let why = "the whole request was not kept, or not any more";
        return Err(Error::NotAcceptable(why.to_owned()));
    }
    let ticket = console.store().ticket(&Doors::errand(row.id), Instant::now())?;
    let accepted = console.doors().accept(row.id, &ticket).await?;
    let entry = opened.did("rejection.accept", &row.id);
    console
        .keep(entry.with("eventId", accepted.event_id.to_string()))
        .await;
    Ok(ok(Accepted {
        event_id: accepted.event_id,
        status: accepted.status,
    }))
}

async fn find(console: &Console, opened: &Opened, id: &str) -> Result<Rejection, Error> {
    let missing = Error::NotFound { what: "rejection" };
    let Ok(id) = id.parse::<RejectionId>() else {
        return Err(missing);
    };
    let found = console.store().rejection(opened.id(), id).await?;
    found.ok_or(missing)
}
