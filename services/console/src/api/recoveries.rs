//! Recoveries: deliveries that failed are sent again, at a pace, fresh traffic first.

use super::body::{Document, Parameters};
use super::deliveries::views;
use super::page::{Page, next_cursor};
use super::{created, directory, get, ok, post, resource};
use crate::access::Opened;
use crate::check::{Fields, recovery};
use crate::show::{PreviewView, RecoveryView};
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use boot::http::Addresses;
use serde::Serialize;
use store::{Recovery, Steering};
use wire::resource::RecoverySpec;
use wire::{Instant, RecoveryId};

/// Sending again what failed.
pub(super) fn mount(config: &mut Addresses) {
    config
        .service(resource("/recoveries", [get(list), post(create)]))
        // Before those whose id is open.
        .service(resource("/recoveries/preview", [post(preview)]))
        .service(resource("/recoveries/{id}", [get(one)]))
        .service(resource("/recoveries/{id}/preview", [get(preview_one)]))
        .service(resource("/recoveries/{id}/start", [post(start)]))
        .service(resource("/recoveries/{id}/pause", [post(pause)]))
        .service(resource("/recoveries/{id}/resume", [post(resume)]))
        .service(resource("/recoveries/{id}/cancel", [post(cancel)]));
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recoveries {
    recoveries: Vec<RecoveryView>,
    next_cursor: Option<String>,
}

pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<RecoveryId>::take(&mut parameters)?;
    parameters.finish()?;
    let found = console
        .store()
        .recoveries(opened.id(), page.before, page.limit)
        .await?;
    Ok(ok(Recoveries {
        next_cursor: next_cursor(&found, |row| row.id),
        recoveries: found.rows.into_iter().map(RecoveryView::of).collect(),
    }))
}

/// Saves one, and starts it where `start` says so.
pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let draft = read(&console, &opened, &body).await?;
    let now = Instant::now();
    let id = RecoveryId::new(now, rand::random());
    let spec = draft.spec.clone();
    console
        .on_record(opened.did("recovery.create", &id))
        .save_recovery(opened.id(), id, draft.spec, now)
        .await?;
    if draft.is_started {
        begin(&console, &opened, id, spec).await?;
    }
    Ok(created(RecoveryView::of(reread(&console, &opened, id).await?)))
}

/// What one would send again; nothing is saved.
pub(super) async fn preview(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let draft = read(&console, &opened, &body).await?;
    look(&console, &opened, draft.spec).await
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    Ok(ok(RecoveryView::of(row)))
}

/// What one that is saved would send again now.
pub(super) async fn preview_one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    look(&console, &opened, row.spec).await
}

pub(super) async fn start(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    begin(&console, &opened, row.id, row.spec).await?;
    Ok(ok(RecoveryView::of(reread(&console, &opened, row.id).await?)))
}

pub(super) async fn pause(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let refusal = "this recovery does not run, so there is nothing to pause";
    steer(&console, &opened, &path.1, (Steering::Pause, refusal)).await
}

pub(super) async fn resume(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let refusal = "this recovery is not paused, so there is nothing to resume";
    steer(&console, &opened, &path.1, (Steering::Resume, refusal)).await
}

/// What was sent again already stays on its way.
pub(super) async fn cancel(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let refusal = "this recovery has ended, so there is nothing to cancel";
    steer(&console, &opened, &path.1, (Steering::Cancel, refusal)).await
}

async fn read(console: &Console, opened: &Opened, body: &Document) -> Result<recovery::Draft, Error> {
    let directory = directory(console, opened.id()).await?;
    let read = |fields: &mut Fields<'_>| Some(recovery::read(fields, &directory));
    body.read(console.checks(), read).await
}

async fn look(console: &Console, opened: &Opened, spec: RecoverySpec) -> Result<HttpResponse, Error> {
    let preview = console
        .store()
        .preview_recovery(opened.id(), spec, Instant::now())
        .await?;
    Ok(ok(PreviewView {
        count: preview.count,
        complete: preview.is_complete,
        oldest: preview.oldest,
        newest: preview.newest,
        sample: views(console, &preview.sample).await?,
    }))
}

/// Counts what there is, for whoever watches, and starts.
async fn begin(console: &Console, opened: &Opened, id: RecoveryId, spec: RecoverySpec) -> Result<(), Error> {
    let store = console.store();
    let preview = store.preview_recovery(opened.id(), spec, Instant::now()).await?;
    let start = Steering::Start { total: preview.count };
    let entry = opened.did("recovery.start", &id).with("total", preview.count);
    if console
        .on_record(entry)
        .steer_recovery(opened.id(), id, start, Instant::now())
        .await?
    {
        Ok(())
    } else {
        Err(Error::State(
            "this recovery was started before; one that is paused is resumed",
        ))
    }
}

async fn steer(
    console: &Console,
    opened: &Opened,
    id: &str,
    (steering, refusal): (Steering, &'static str),
) -> Result<HttpResponse, Error> {
    let row = find(console, opened, id).await?;
    let action = match steering {
        Steering::Start { .. } => "recovery.start",
        Steering::Pause => "recovery.pause",
        Steering::Resume => "recovery.resume",
        Steering::Cancel => "recovery.cancel",
    };
    let steered = console
        .on_record(opened.did(action, &row.id))
        .steer_recovery(opened.id(), row.id, steering, Instant::now())
        .await?;
    if !steered {
        return Err(Error::State(refusal));
    }
    Ok(ok(RecoveryView::of(reread(console, opened, row.id).await?)))
}

async fn reread(console: &Console, opened: &Opened, id: RecoveryId) -> Result<Recovery, Error> {
    let row = console.store().recovery(opened.id(), id).await?;
    row.ok_or(Error::NotFound { what: "recovery" })
}

async fn find(console: &Console, opened: &Opened, id: &str) -> Result<Recovery, Error> {
    let Ok(id) = id.parse() else {
        return Err(Error::NotFound { what: "recovery" });
    };
    reread(console, opened, id).await
}
