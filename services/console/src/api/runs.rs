//! Executions of playbooks.

use super::body::{Document, Parameters, query};
use super::page::{Key, Page, next_cursor};
use super::playbook_runs::refuse_ending;
use super::{directory, ok};
use crate::access::Opened;
use crate::check::{Fields, value};
use crate::show::{RunView, StepView};
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::Value;
use store::{Control, Controlled, Run};
use uuid::Uuid;
use wire::{Instant, RunId, RunState, UnknownState};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Runs {
    pub(super) runs: Vec<RunView>,
    pub(super) next_cursor: Option<String>,
}

/// `?status=`
pub(super) fn take_status(parameters: &mut Parameters) -> Result<Option<RunState>, Error> {
    let status = parameters.take("status")?;
    let parsed = status.map(|status| status.parse()).transpose();
    parsed.map_err(|error: UnknownState| query("status", &error.to_string()))
}

pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<RunId>::take(&mut parameters)?;
    let status = take_status(&mut parameters)?;
    parameters.finish()?;
    let found = console
        .store()
        .runs(opened.id(), status, page.before, page.limit)
        .await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(Runs {
        next_cursor: next_cursor(&found, |row| row.id),
        runs: found
            .rows
            .iter()
            .map(|row| RunView::of(row, &directory))
            .collect(),
    }))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(RunView::of(&row, &directory)))
}

/// The number of a step, as a place in a journal.
#[derive(Debug, Clone, Copy)]
struct Number(i32);

impl Key for Number {
    const KIND: u8 = b's';

    fn uuid(self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.unsigned_abs()))
    }

    fn of(uuid: Uuid) -> Self {
        // Whoever made a cursor up gets a page of theirs.
        Self(i32::try_from(uuid.as_u128()).unwrap_or(i32::MAX))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Steps {
    steps: Vec<StepView>,
    next_cursor: Option<String>,
}

/// What a run did, first to last.
pub(super) async fn steps(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<Number>::take(&mut parameters)?;
    parameters.finish()?;
    let run = find(&console, &opened, &path.1).await?;
    // In this list, what comes after is asked for.
    let after = page.before.map(|number| number.0);
    let found = console
        .store()
        .steps(opened.id(), run.id, after, page.limit)
        .await?;
    Ok(ok(Steps {
        next_cursor: next_cursor(&found, |row| Number(row.number)),
        steps: found.rows.into_iter().map(StepView::of).collect(),
    }))
}

/// Ends it. Calls in flight are given up.
pub(super) async fn cancel(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    control(&console, &opened, &path.1, Control::Cancel).await
}

/// Holds it: calls in flight end, and nothing new begins.
pub(super) async fn pause(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    control(&console, &opened, &path.1, Control::Pause).await
}

/// Lets it go on.
pub(super) async fn resume(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    control(&console, &opened, &path.1, Control::Resume).await
}

/// Has the step done again that faulted. `keys` says whether calls get `fresh` idempotency keys or have the `same`.
pub(super) async fn retry(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let read = |fields: &mut Fields<'_>| Some(fields.optional("keys", is_fresh).unwrap_or(false));
    let fresh_keys = body.read_optional(console.checks(), read).await?;
    let run = find(&console, &opened, &path.1).await?;
    refuse_ending(&console, &opened, &run.playbook_id).await?;
    control(&console, &opened, &path.1, Control::Retry { fresh_keys }).await
}

fn is_fresh(keys: &Value) -> Result<bool, value::Refused> {
    match value::any_text(keys)? {
        "fresh" => Ok(true),
        "same" => Ok(false),
        _ => Err(value::Refused::new("must be `same` or `fresh`")),
    }
}

/// Writes the wish down and wakes the runner, which sees to it within a second. The answer is the run as it is now.
async fn control(
    console: &Console,
    opened: &Opened,
    id: &str,
    control: Control,
) -> Result<HttpResponse, Error> {
    let missing = || Error::NotFound { what: "run" };
    let id: RunId = id.parse().map_err(|_no_id| missing())?;
    let action = match control {
        Control::Cancel => "run.cancel",
        Control::Pause => "run.pause",
        Control::Resume => "run.resume",
        Control::Retry { .. } => "run.retry",
    };
    let wished = console
        .on_record(opened.did(action, &id))
        .control_run(opened.id(), id, control, Instant::now())
        .await?;
    match wished {
        Controlled::Wished => {}
        Controlled::Refused(state) => {
            let what = control.as_str();
            return Err(if is_ended(state) {
                Error::RunEnded { what, state }
            } else {
                Error::RunState { what, state }
            });
        }
        Controlled::Missing => return Err(missing()),
    }
    console.tell_runner(id).await;
    let row = console.store().run(opened.id(), id).await?.ok_or_else(missing)?;
    let directory = directory(console, opened.id()).await?;
    Ok(HttpResponse::Accepted().json(RunView::of(&row, &directory)))
}

const fn is_ended(state: RunState) -> bool {
    matches!(
        state,
        RunState::Completed | RunState::Faulted | RunState::Cancelled
    )
}

async fn find(console: &Console, opened: &Opened, id: &str) -> Result<Run, Error> {
    let missing = Error::NotFound { what: "run" };
    let Ok(id) = id.parse() else {
        return Err(missing);
    };
    console.store().run(opened.id(), id).await?.ok_or(missing)
}
