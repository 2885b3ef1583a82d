//! `listen`: waits for events. What matches is found outside; here is what is waited for, and what comes of it.
//!
//! The effect keeps its id when one of `all` events came: it is issued again with the filters that are left, and that
//! replaces what was waited for. A message for a filter that is not left, or an event that the run already took, is one
//! that came twice; the machine does not let it in.

use super::errors::{self, Error, Kind};
use super::evaluate::View;
use super::fit;
use super::frame::Activity;
use super::machine::Machine;
use crate::{Awaited, Effect, EventFilter, Listen, ListenMode, ListenRead, ListenRequest, TaskKind};
use serde_json::Value;

impl Machine<'_, '_> {
    /// Begins to wait for the events of the task on top of a thread.
    pub(super) fn begin_listen(&mut self, thread: u32, listen: &Listen, input: &Value) -> Result<(), Error> {
        let view = View::at(self.place(thread));
        let mut filters = Vec::with_capacity(listen.filters.len());
        for (index, filter) in listen.filters.iter().enumerate() {
            filters.push((index, self.awaited(&view, filter, input)?));
        }
        let request = ListenRequest {
            filters,
            is_any: listen.mode != ListenMode::All,
            broadcast: listen.broadcast,
        };
        let pointer = self.state.task(thread)?.task.clone();
        let effect = self.issue(&pointer, Effect::Listen(request));
        let events = Vec::new();
        self.state.task_mut(thread)?.activity = Activity::Listen { effect, events };
        Ok(())
    }

    fn awaited(&mut self, view: &View, filter: &EventFilter, input: &Value) -> Result<Awaited, Error> {
        let Some(event_type) = self.text(view, "type", Some(&filter.event_type), input)? else {
            let detail = format!("at {}: the type to listen for is null", filter.pointer);
            return Err(self.expression_error(view, &detail));
        };
        if !wire::is_event_type(&event_type) {
            let detail = format!(
                "at {}: the type to listen for has not 1 to 128 characters, or a control character",
                filter.pointer
            );
            return Err(self.expression_error(view, &detail));
        }
        let source = self.text(view, "source", filter.source.as_ref(), input)?;
        if filter.source.is_some() && source.is_none() {
            // Not any source: whoever writes who must have sent it means one.
            let detail = format!("at {}: the source to listen for is null", filter.pointer);
            return Err(self.expression_error(view, &detail));
        }
        let mut correlate = Vec::with_capacity(filter.correlate.len());
        for correlation in &filter.correlate {
            let expected = self.fill(view, &correlation.expect, input)?;
            correlate.push((correlation.from.code.clone(), expected));
        }
        Ok(Awaited {
            event_type,
            source,
            data: filter.data.as_ref().map(|data| data.code.clone()),
            correlate,
        })
    }

    /// An event came that was waited for.
    pub(super) fn heard(&mut self, id: u32, filter: usize, key: String, envelope: Value) {
        let Some(thread) = self.state.waiting_for(id) else {
            return;
        };
        self.state.inbox.insert(key);
        let result = self.hear(thread, id, filter, envelope);
        self.settle(thread, result);
    }

    fn hear(&mut self, thread: u32, id: u32, filter: usize, mut envelope: Value) -> Result<(), Error> {
        let task = self.task(thread)?;
        let TaskKind::Listen(listen) = &task.kind else {
            return Err(errors::misfit());
        };
        let Activity::Listen { events, .. } = &mut self.state.task_mut(thread)?.activity else {
            return Err(errors::misfit());
        };
        let event = match listen.read {
            ListenRead::Envelope => envelope,
            ListenRead::Data => envelope.get_mut("data").map(Value::take).unwrap_or_default(),
        };
        fit::check(&event).map_err(|reason| {
            let detail = format!("the event is {reason}, which a run cannot hold");
            Kind::Validation.at(&task.pointer, detail)
        })?;
        events.push(event);
        let events = events.clone();

        let issued = self.state.pending.iter_mut().find(|issued| issued.id == id);
        let issued = issued.ok_or_else(errors::misfit)?;
        let Effect::Listen(request) = &mut issued.effect else {
            return Err(errors::misfit());
        };
        request.filters.retain(|(index, _)| *index != filter);
        if listen.mode == ListenMode::All && !request.filters.is_empty() {
            self.out.issued.push(issued.clone());
            return Ok(());
        }
        self.release_top(thread);
        self.complete(thread, Value::Array(events), task.then)
    }
}
