//! Starting a run at a door: target, input, key, and then the one accept path, which writes the run with its claim.

use crate::accept::{self, Key, Offer, Receipt, Replay};
use crate::doors::lookup_failed;
use crate::playbooks::OpenPlaybook;
use crate::problem::{Issue, Problem};
use crate::{Gateway, key};
use actix_web::HttpRequest;
use actix_web::web::Bytes;
use routing::{LARGEST_INPUT, Start};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Project, Template};
use wire::{Instant, RunId, Trigger};

/// What a run is targeted at, resolved.
#[derive(Debug, Default)]
pub(crate) struct Target {
    project: Option<Arc<Project>>,
    template: Option<Arc<Template>>,
}

/// What the sender says of the target; none of it: the playbook's own.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) project: Option<&'a str>,
    pub(crate) template: Option<&'a str>,
}

impl Target {
    /// Finds what the sender asks for, else the playbook's own.
    ///
    /// A disabled project closes the playbook whose own it is (404); to a sender who names it, it does not exist.
    pub(crate) async fn resolve(
        gateway: &Gateway,
        open: &OpenPlaybook,
        asked: Asked<'_>,
    ) -> Result<Self, Problem> {
        let (workspace, own) = (&open.playbook.workspace_id, &open.playbook.spec.target);
        let failed = |error: Arc<store::Error>| lookup_failed(&error);
        let project = match asked
            .project
            .or_else(|| own.project.as_ref().map(wire::ProjectId::as_str))
        {
            None => None,
            Some(name) => {
                let found = gateway.playbooks.project(workspace, name).await.map_err(failed)?;
                let found = found.ok_or(Problem::ProjectNotFound)?;
                match (found.spec.enabled, asked.project) {
                    (true, _) => Some(found),
                    (false, Some(_)) => return Err(Problem::ProjectNotFound),
                    (false, None) => return Err(Problem::NotFound),
                }
            }
        };
        let template = match asked
            .template
            .or_else(|| own.template.as_ref().map(wire::TemplateId::as_str))
        {
            None => None,
            Some(name) => {
                let found = gateway
                    .playbooks
                    .template(workspace, name)
                    .await
                    .map_err(failed)?;
                Some(found.ok_or(Problem::TemplateNotFound)?)
            }
        };
        Ok(Self { project, template })
    }

    /// Whether the playbook's own project is disabled, so that it looks like none to whoever has no business with it.
    pub(crate) async fn is_closed(gateway: &Gateway, open: &OpenPlaybook) -> Result<bool, Problem> {
        let Some(own) = &open.playbook.spec.target.project else {
            return Ok(false);
        };
        let workspace = &open.playbook.workspace_id;
        let found = gateway.playbooks.project(workspace, own.as_str()).await;
        let found = found.map_err(|error| lookup_failed(&error))?;
        Ok(found.is_some_and(|project| !project.spec.enabled))
    }

    /// SHA-256 of the target and a body.
    pub(crate) fn fingerprint(&self, body: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for id in [
            self.project.as_ref().map(|project| project.id.as_str()),
            self.template.as_ref().map(|template| template.id.as_str()),
        ] {
            hash.update(id.unwrap_or_default());
            // No id has one in it.
            hash.update([0]);
        }
        hash.update(body);
        hash.finalize().into()
    }

    /// What the run gets: the request's text as it came, and behind it the template's fields that it has not. Checked for its
    /// size and against the playbook's schema.
    pub(crate) fn input(&self, open: &OpenPlaybook, given: Bytes) -> Result<Bytes, Problem> {
        let defaults = self.template.as_ref().map(|template| &template.spec.inputs);
        let input = match defaults {
            Some(defaults) if !defaults.is_empty() => filled_in(given, defaults)?,
            _ => given,
        };
        let input = check_size(input)?;
        if open.has_schema() {
            let read: Value = serde_json::from_slice(&input).map_err(|error| {
                Problem::InvalidInput(vec![Issue {
                    path: String::new(),
                    message: format!("the input cannot be compared with what the playbook asks for: {error}"),
                }])
            })?;
            let problems = open.problems(&read);
            if !problems.is_empty() {
                return Err(Problem::InvalidInput(problems));
            }
        }
        Ok(input)
    }
}

/// Adds the fields of `defaults` that an object has not at its end. Nothing of it is written anew: a number that no program of
/// ours could hold, or half of a surrogate pair, is the sender's to send. What is no object has no fields.
fn filled_in(given: Bytes, defaults: &Map<String, Value>) -> Result<Bytes, Problem> {
    let object = given.trim_ascii();
    if !object.starts_with(b"{") {
        return Ok(given);
    }
    let has: HashMap<String, &RawValue> = serde_json::from_slice(object).map_err(|error| {
        Problem::InvalidBody(Issue {
            path: String::new(),
            message: format!("the input cannot be read: {error}"),
        })
    })?;
    let missing: Map<String, Value> = defaults
        .iter()
        .filter(|(name, _)| !has.contains_key(*name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let Some(open_end) = object.strip_suffix(b"}").filter(|_| !missing.is_empty()) else {
        return Ok(given);
    };
    let added = Value::Object(missing).to_string();
    let comma: &[u8] = if has.is_empty() { b"" } else { b"," };
    Ok(Bytes::from(
        [open_end, comma, added.trim_start_matches('{').as_bytes()].concat(),
    ))
}

fn check_size(input: Bytes) -> Result<Bytes, Problem> {
    if input.len() <= LARGEST_INPUT {
        return Ok(input);
    }
    Err(Problem::InvalidInput(vec![Issue {
        path: String::new(),
        message: format!(
            "the input has {} bytes, and the limit is {LARGEST_INPUT} bytes",
            input.len()
        ),
    }]))
}

/// A run that a door wants started.
pub(crate) struct Order<'a> {
    pub(crate) request: &'a HttpRequest,
    pub(crate) open: &'a OpenPlaybook,
    pub(crate) target: Target,
    pub(crate) trigger: Trigger,
    /// The request's body, for the event.
    pub(crate) body: Bytes,
    /// The run's input, JSON, without the template's.
    pub(crate) input: Bytes,
    pub(crate) key: Option<String>,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) window: Duration,
    pub(crate) received_at: Instant,
}

/// A run that was started now or before.
pub(crate) struct Started {
    pub(crate) run_id: RunId,
    /// When the first request with this key was received.
    pub(crate) accepted_at: Instant,
    pub(crate) is_replay: bool,
}

/// The run that an earlier request with this key started.
async fn replayed(gateway: &Gateway, wanted: &Order<'_>) -> Result<Option<Started>, Problem> {
    let Some(key) = &wanted.key else {
        return Ok(None);
    };
    let playbook = &wanted.open.playbook.id;
    let claim = gateway.store.claim(playbook.as_str(), key).await;
    let claim = claim.map_err(|error| lookup_failed(&error.into()))?;
    let Some(claim) = claim.filter(|claim| claim.expires_at > Instant::now()) else {
        return Ok(None);
    };
    if claim.fingerprint.is_some_and(|first| first != wanted.fingerprint) {
        return Err(Problem::Conflict);
    }
    Ok(Some(Started {
        run_id: RunId::of(claim.event_id, playbook, 0),
        accepted_at: claim.accepted_at,
        is_replay: true,
    }))
}

/// Records the event and the run. The same key with another fingerprint is [`Problem::Conflict`].
pub(crate) async fn start(gateway: &Gateway, wanted: Order<'_>) -> Result<Started, Problem> {
    let playbook = &wanted.open.playbook;
    let input = match wanted.target.input(wanted.open, wanted.input.clone()) {
        Ok(input) => input,
        // What the playbook asks for may be more than it was when the first request with this key was taken.
        Err(problem) => return replayed(gateway, &wanted).await?.ok_or(problem),
    };
    let offer = Offer {
        request: wanted.request.head(),
        workspace_id: &playbook.workspace_id,
        source: None,
        body: wanted.body,
        event_type: key::own_event_type(wanted.request.headers())?,
        verified: None,
        key: wanted.key.map(|key| Key {
            scope: playbook.id.to_string(),
            text: key,
            fingerprint: Some(wanted.fingerprint),
            window: wanted.window,
        }),
        received_at: wanted.received_at,
    };
    let draft = accept::draft(gateway, offer);
    let start = Start {
        playbook: playbook.id.clone(),
        input,
        trigger: wanted.trigger,
        project: wanted.target.project.as_ref().map(|project| project.slug.clone()),
        template: wanted
            .target
            .template
            .as_ref()
            .map(|template| template.slug.clone()),
    };
    let moment = accept::moment(gateway, wanted.received_at);
    let routed = routing::started(&draft.event, start, moment);
    let Receipt {
        event_id,
        accepted_at,
        replay,
    } = accept::accept_draft(gateway, draft, Some(routed)).await?;
    if matches!(replay, Some(Replay { same: false })) {
        return Err(Problem::Conflict);
    }
    Ok(Started {
        run_id: RunId::of(event_id, &playbook.id, 0),
        accepted_at,
        is_replay: replay.is_some(),
    })
}
