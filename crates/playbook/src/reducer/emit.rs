//! `emit`, and the events that a run emits about itself.
//!
//! An event is recorded in the transaction that keeps the state after it, so it is emitted exactly once. Its id derives
//! from the run and the way to the task: the path with attempts, since what is tried twice has happened twice.

use super::errors::Error;
use super::evaluate::View;
use super::machine::Machine;
use super::path::digest;
use crate::{Emitted, EventTemplate, Task};
use serde_json::{Map, Value, json};

const LIFECYCLE: &str = "io.serverlessworkflow.workflow.";

impl Machine<'_, '_> {
    /// Emits the event of the task on top of a thread. Its output is the event.
    pub(super) fn emit(
        &mut self,
        thread: u32,
        task: &Task,
        event: &EventTemplate,
        input: &Value,
    ) -> Result<(), Error> {
        let view = View::at(self.place(thread));
        let mut own = Map::new();
        for (name, template) in &event.attributes {
            if let Some(text) = self.text(&view, name, Some(template), input)? {
                own.insert(name.clone(), text.into());
            }
        }
        let kind = own.get("type").and_then(Value::as_str).unwrap_or_default();
        if !wire::is_event_type(kind) {
            // No route could choose it, and nothing could listen for it.
            let detail = "the type of the event to emit has not 1 to 128 characters, or a control character";
            return Err(self.expression_error(&view, detail));
        }
        if let Some(data) = &event.data {
            own.insert("data".to_owned(), self.fill(&view, data, input)?);
        }
        let key = self.state.task(thread)?.path.as_str().to_owned();
        let envelope = self.record_event(key, own);
        self.complete(thread, envelope, task.then)
    }

    /// Emits what became of the run, if its playbook wants that: `<what>At` is now.
    pub(super) fn tell(&mut self, what: &str, more: Option<(&str, Value)>) {
        let (true, Some(run)) = (self.program.lifecycle, &self.state.run) else {
            return;
        };
        let document = &self.program.document;
        let mut data = Map::from_iter([
            ("name".to_owned(), json!(run.id)),
            (
                "definition".to_owned(),
                json!({
                    "namespace": document.namespace,
                    "name": document.name,
                    "version": document.version,
                }),
            ),
            (format!("{what}At"), json!(self.state.now)),
        ]);
        if let Some((name, value)) = more {
            data.insert(name.to_owned(), value);
        }
        self.state.counters.lifecycle = self.state.counters.lifecycle.saturating_add(1);
        let key = format!("lifecycle/{}", self.state.counters.lifecycle);
        let own = Map::from_iter([
            ("type".to_owned(), json!(format!("{LIFECYCLE}{what}.v1"))),
            ("data".to_owned(), Value::Object(data)),
        ]);
        self.record_event(key, own);
    }

    /// Records a CloudEvent with all attributes that it has not of its own.
    fn record_event(&mut self, key: String, own: Map<String, Value>) -> Value {
        let run = self.state.run.as_ref().map_or("", |run| run.id.as_str());
        let id = digest(&[run.as_bytes(), b"\n", key.as_bytes()]);
        let mut envelope = Map::from_iter([
            ("specversion".to_owned(), json!("1.0")),
            ("id".to_owned(), json!(id)),
            ("time".to_owned(), json!(self.state.now)),
            (
                "source".to_owned(),
                json!(format!("/playbooks/{}", self.program.document.name)),
            ),
        ]);
        if own.contains_key("data") {
            envelope.insert("datacontenttype".to_owned(), json!("application/json"));
        }
        envelope.extend(own);
        let envelope = Value::Object(envelope);
        self.out.emitted.push(Emitted {
            key,
            envelope: envelope.clone(),
        });
        envelope
    }
}
