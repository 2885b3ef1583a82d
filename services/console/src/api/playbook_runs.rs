//! The runs of one playbook, and starting one by hand.

use super::body::{Document, Parameters};
use super::page::{Page, next_cursor};
use super::runs::{Runs, take_status};
use super::{created, directory, ok, playbooks};
use crate::access::Opened;
use crate::check::{Fields, schema};
use crate::show::RunView;
use crate::{Console, Error, Problem};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use bytes::Bytes;
use routing::{LARGEST_INPUT, Moment, Start};
use serde_json::{Map, Value};
use store::{Acceptance, NewEvent, Playbook};
use uuid::Uuid;
use wire::{EventId, Instant, PlaybookId, RunId, Trigger};

pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<RunId>::take(&mut parameters)?;
    let status = take_status(&mut parameters)?;
    parameters.finish()?;
    let playbook = playbooks::find(&console, &opened, &path.1).await?;
    let found = console
        .store()
        .runs_of(&playbook.id, status, page.before, page.limit)
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

/// Starts a run with the input of the body. Its event is one without a source, which no route sees.
pub(super) async fn start(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let playbook = playbooks::find(&console, &opened, &path.1).await?;
    let read = |fields: &mut Fields<'_>| Some(fields.get("input").cloned());
    let given = body.read_optional(console.checks(), read).await?;
    if !playbook.spec.enabled {
        return Err(Error::State("this playbook is disabled, so it starts no run"));
    }
    refuse_ending(&console, &opened, &playbook.id).await?;
    let target = Target::of(&console, &opened, &playbook).await?;
    let input = target.complete(given);
    check_input(&playbook, &input)?;
    let row = recorded(&playbook, target, &input, Instant::now());
    let started = RunId::of(row.event.id, &playbook.id, 0);
    console.record(row).await?;
    let entry = opened.did("run.start", &started);
    console
        .keep(entry.with("playbook", playbook.spec.slug.as_str()))
        .await;
    console.tell_runner(started).await;
    let run = console.store().run(opened.id(), started).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(created(RunView::of(
        &run.ok_or(Error::NotFound { what: "run" })?,
        &directory,
    )))
}

/// Refuses to let a run go on that would end at once.
pub(super) async fn refuse_ending(
    console: &Console,
    opened: &Opened,
    playbook: &PlaybookId,
) -> Result<(), Error> {
    let found = console.store().playbook_of_run(opened.id(), playbook).await?;
    let Some((_, ends)) = found else {
        return Err(Error::State("the playbook was removed, so its runs cannot go on"));
    };
    if ends {
        return Err(Error::State(
            "the playbook or its workspace is switched off with `runs: cancel`, so every run ends; let runs `drain` first",
        ));
    }
    Ok(())
}

/// What a run is targeted at.
struct Target {
    project: Option<String>,
    template: Option<String>,
    /// The template's.
    inputs: Map<String, Value>,
}

impl Target {
    /// The playbook's own, which must be there.
    async fn of(console: &Console, opened: &Opened, playbook: &Playbook) -> Result<Self, Error> {
        let mut target = Self {
            project: None,
            template: None,
            inputs: Map::new(),
        };
        if let Some(id) = &playbook.spec.target.project {
            let project = console.store().project(opened.id(), id.as_str()).await?;
            let project = project.filter(|project| project.spec.enabled);
            target.project = Some(project.ok_or(Error::NoProject)?.slug);
        }
        if let Some(id) = &playbook.spec.target.template {
            let template = console.store().template(opened.id(), id.as_str()).await?;
            let template = template.ok_or(Error::NoTemplate)?;
            target.template = Some(template.slug);
            target.inputs = template.spec.inputs;
        }
        Ok(target)
    }

    /// The input with the template's where the request says nothing.
    fn complete(&self, given: Option<Value>) -> Value {
        let mut inputs = self.inputs.clone();
        match given {
            None => Value::Object(inputs),
            Some(Value::Object(given)) => {
                inputs.extend(given);
                Value::Object(inputs)
            }
            Some(other) => other,
        }
    }
}

fn check_input(playbook: &Playbook, input: &Value) -> Result<(), Error> {
    let size = input.to_string().len();
    if size > LARGEST_INPUT {
        let message = format!("the input has {size} bytes, and the limit is {LARGEST_INPUT} bytes");
        return Err(Error::InvalidInput(vec![Problem::new("", message)]));
    }
    let Some(asked) = &playbook.spec.input_schema else {
        return Ok(());
    };
    match schema::issues(asked, input) {
        Ok(issues) if issues.is_empty() => Ok(()),
        Ok(issues) => Err(Error::InvalidInput(issues)),
        Err(_refused) => Err(Error::State(
            "the playbook's input schema cannot be used; save its definition again",
        )),
    }
}

/// An event that is decided already: it starts one run.
fn recorded(playbook: &Playbook, target: Target, input: &Value, now: Instant) -> Acceptance {
    let input = Bytes::from(input.to_string());
    let event = NewEvent {
        content_type: Some("application/json".to_owned()),
        ..NewEvent::plain(
            EventId::new(now, rand::random()),
            playbook.workspace_id.clone(),
            now,
            input.clone(),
        )
    };
    let start = Start {
        playbook: playbook.id.clone(),
        input,
        trigger: Trigger::Manual,
        project: target.project,
        template: target.template,
    };
    // A run is not leased before a runner takes it.
    let moment = Moment {
        now,
        lease: Uuid::nil(),
        lease_until: now,
    };
    let routed = Some(routing::started(&event, start, moment));
    Acceptance {
        claim: None,
        event,
        routed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_says_what_the_request_leaves_out() {
        let target = Target {
            project: None,
            template: None,
            inputs: Map::from_iter([("tier".to_owned(), json!("gold")), ("n".to_owned(), json!(1))]),
        };
        assert_eq!(target.complete(None), json!({"tier": "gold", "n": 1}));
        assert_eq!(
            target.complete(Some(json!({"n": null, "m": 2}))),
            json!({"tier": "gold", "n": null, "m": 2})
        );
        assert_eq!(target.complete(Some(json!([1]))), json!([1]));
    }
}
