//! Whoever keeps a run: holds its state, does what it asks for, and crashes when told to.

use crate::program::evaluator;
use crate::server::{Answer, Server};
use expression::Evaluator;
use hookyard_playbook::{
    Awaited, Effect, Emitted, Event, Issued, Program, State, Step, Summary, pending, step,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::{Instant, RunState};

/// How a state is kept between two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// In memory.
    Plain,
    /// As JSON.
    Written,
    /// As JSON, and at the n-th event all else is lost, before the state is kept.
    CrashBefore(usize),
    /// The same, after it is kept, and before anything is done about it.
    CrashAfter(usize),
}

/// What came of a run, which must be the same however it was kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Story {
    pub(crate) steps: Vec<Step>,
    pub(crate) emitted: Vec<Emitted>,
    pub(crate) summary: Summary,
    pub(crate) state: String,
}

pub(crate) struct Keeper<'p> {
    pub(crate) program: &'p Program,
    evaluator: Evaluator,
    keeping: Keeping,
    plain: Option<State>,
    written: Option<String>,
    pub(crate) now: Instant,
    /// The events so far, and when they happened.
    pub(crate) events: Vec<(Instant, Event)>,
    in_flight: BTreeMap<u32, Issued>,
    answers: BTreeMap<u32, (Instant, Answer)>,
    pub(crate) server: Server,
    /// What the state was after each event.
    pub(crate) states: Vec<String>,
    pub(crate) story: Story,
}

impl<'p> Keeper<'p> {
    pub(crate) fn new(program: &'p Program, keeping: Keeping, server: Server) -> Self {
        Self {
            program,
            evaluator: evaluator(),
            keeping,
            plain: None,
            written: None,
            now: "2026-11-29T12:00:00.000Z".parse().unwrap(),
            events: Vec::new(),
            in_flight: BTreeMap::new(),
            answers: BTreeMap::new(),
            server,
            states: Vec::new(),
            story: Story {
                steps: Vec::new(),
                emitted: Vec::new(),
                summary: Summary::default(),
                state: String::new(),
            },
        }
    }

    /// Lets an event happen, and keeps what comes of it.
    pub(crate) fn happen(&mut self, event: Event) {
        let number = self.events.len();
        self.events.push((self.now, event.clone()));
        if self.keeping == Keeping::CrashBefore(number) {
            let lost = self.load();
            let _ = step(self.program, lost, self.now, event.clone(), &mut self.evaluator);
            self.take_over();
        }
        let state = self.load();
        let (state, out) = step(self.program, state, self.now, event, &mut self.evaluator);
        self.keep(state);
        self.story.steps.extend(out.finished.iter().cloned());
        self.story.emitted.extend(out.emitted.iter().cloned());
        self.story.summary = out.summary.clone();
        let done = match &self.events[number].1 {
            Event::Done { id, .. } => Some(id),
            _ => None,
        };
        for id in out.cancelled.iter().chain(done) {
            self.in_flight.remove(id);
            self.answers.remove(id);
        }
        for issued in &out.issued {
            self.begin(issued.clone());
        }
        if self.keeping == Keeping::CrashAfter(number) {
            let before = self.in_flight.clone();
            self.take_over();
            assert_eq!(self.in_flight, before, "what is pending is not what was issued");
        }
    }

    fn load(&mut self) -> Option<State> {
        if self.keeping == Keeping::Plain {
            return self.plain.take();
        }
        let text = self.written.as_ref()?;
        Some(serde_json::from_str(text).expect("a state can be read"))
    }

    fn keep(&mut self, state: State) {
        let text = serde_json::to_string(&state).expect("a state can be written");
        self.story.state.clone_from(&text);
        self.states.push(text.clone());
        match self.keeping {
            Keeping::Plain => self.plain = Some(state),
            _ => self.written = Some(text),
        }
    }

    /// Another process finds the state and nothing else.
    fn take_over(&mut self) {
        self.in_flight.clear();
        self.answers.clear();
        let is_open = matches!(
            self.story.summary.status,
            RunState::Running | RunState::Waiting | RunState::Paused
        );
        if let (Some(state), true) = (&self.written, is_open) {
            let pending = pending(state.as_bytes()).expect("a state can be read");
            for issued in pending.issued {
                self.begin(issued);
            }
        }
    }

    fn begin(&mut self, issued: Issued) {
        if let Effect::Http(request) = &issued.effect
            && let Some(answer) = self.server.answer(self.now, request)
        {
            self.answers.insert(issued.id, answer);
        }
        self.in_flight.insert(issued.id, issued);
    }

    /// Takes all answers that are there.
    pub(crate) fn settle(&mut self) {
        while let Some(id) = self.answered_until(self.now) {
            self.take_answer(id);
        }
    }

    fn answered_until(&self, time: Instant) -> Option<u32> {
        let due = self.answers.iter().filter(|(_, (at, _))| *at <= time);
        due.min_by_key(|(id, (at, _))| (*at, **id)).map(|(id, _)| *id)
    }

    fn take_answer(&mut self, id: u32) {
        let (at, result) = self.answers[&id].clone();
        self.now = self.now.max(at);
        self.happen(Event::Done { id, result });
    }

    /// Lets time go by, and what is due happen in time.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let wake_at = self.story.summary.wake_at.filter(|at| *at <= end);
            let answer = self.answered_until(wake_at.unwrap_or(end));
            if let Some(id) = answer {
                self.take_answer(id);
            } else if let Some(at) = wake_at {
                self.now = self.now.max(at);
                self.happen(Event::Tick);
            } else {
                break;
            }
        }
        self.now = end;
    }

    /// An event comes: whoever waits for it gets it. Says how many did.
    pub(crate) fn arrive(&mut self, envelope: &Value) -> usize {
        let key = format!("msg_{}", envelope["id"].as_str().expect("an event has an id"));
        let mut taken = 0;
        for issued in self.in_flight.clone().into_values() {
            let Effect::Listen(listen) = &issued.effect else {
                continue;
            };
            let Some((filter, _)) = listen
                .filters
                .iter()
                .find(|(_, awaited)| matches(awaited, envelope))
            else {
                continue;
            };
            taken += 1;
            self.happen(Event::Message {
                id: issued.id,
                filter: *filter,
                key: key.clone(),
                envelope: envelope.clone(),
            });
            if !listen.broadcast {
                break;
            }
        }
        self.settle();
        taken
    }

    /// The effects that are under way.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = &Issued> {
        self.in_flight.values()
    }
}

fn matches(awaited: &Awaited, envelope: &Value) -> bool {
    let mut evaluator = evaluator();
    let mut yields = |code: &str, input: &Value| evaluator.run(code, input, &[]).ok();
    envelope["type"] == awaited.event_type.as_str()
        && awaited
            .source
            .as_ref()
            .is_none_or(|source| envelope["source"] == source.as_str())
        && awaited
            .data
            .as_ref()
            .is_none_or(|code| yields(code, &envelope["data"]) == Some(Value::Bool(true)))
        && awaited
            .correlate
            .iter()
            .all(|(code, expected)| yields(code, envelope).as_ref() == Some(expected))
}
