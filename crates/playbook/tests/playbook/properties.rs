//! What holds for any document and any order of events.

use crate::generated::document;
use crate::program;
use base64::{Engine, prelude::BASE64_STANDARD};
use expression::Evaluator;
use hookyard_playbook::{
    CallFailure, Effect, Error, Event, Issued, Out, Program, Reply, Start, State, pending, step,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire::{Instant, RunState};

/// More events than any of these runs needs.
const MOST_EVENTS: usize = 3_000;

/// What comes next; the numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
enum Choice {
    Answer(usize, u16),
    Fail(usize),
    Message(usize, usize),
    Stale(u32),
    Tick(u64),
    Pause,
    Resume,
    Retry(bool),
    Cancel,
    Fault,
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    let choice = prop_oneof![
        8 => (any::<usize>(), prop::sample::select(vec![200, 200, 200, 400, 401, 302]))
            .prop_map(|(which, status)| Choice::Answer(which, status)),
        1 => any::<usize>().prop_map(Choice::Fail),
        4 => (any::<usize>(), 0_usize..3).prop_map(|(which, filter)| Choice::Message(which, filter)),
        1 => (0_u32..6).prop_map(Choice::Stale),
        5 => (0_u64..8_000).prop_map(Choice::Tick),
        1 => Just(Choice::Pause),
        2 => Just(Choice::Resume),
        2 => any::<bool>().prop_map(Choice::Retry),
    ];
    // The last may be one after which nothing comes.
    let last = prop_oneof![8 => Just(Choice::Tick(0)), 1 => Just(Choice::Cancel), 1 => Just(Choice::Fault)];
    (proptest::collection::vec(choice, 0..40), last).prop_map(|(mut choices, last)| {
        choices.push(last);
        choices
    })
}

/// A run whose keeper trusts nothing.
struct Sceptic<'p> {
    program: &'p Program,
    evaluator: Evaluator,
    state: Option<String>,
    now: Instant,
    in_flight: BTreeMap<u32, Issued>,
    events: Vec<(Instant, Event)>,
    requests: BTreeMap<String, String>,
    emitted: BTreeSet<String>,
    steps: u32,
    status: RunState,
    wake_at: Option<Instant>,
    error: Option<Error>,
}

impl<'p> Sceptic<'p> {
    fn new(program: &'p Program) -> Self {
        Self {
            program,
            evaluator: program::evaluator(),
            state: None,
            now: Instant::from_unix_micros(1_790_000_000_123_456),
            in_flight: BTreeMap::new(),
            events: Vec::new(),
            requests: BTreeMap::new(),
            emitted: BTreeSet::new(),
            steps: 0,
            status: RunState::Pending,
            wake_at: None,
            error: None,
        }
    }

    fn happen(&mut self, event: Event) {
        // An event survives its own JSON, and the same one gives the same from the same state.
        let text = serde_json::to_string(&event).unwrap();
        let (state, out) = self.step(event.clone());
        let (again, out_again) = self.step(serde_json::from_str(&text).unwrap());
        assert_eq!(
            serde_json::to_string(&state).unwrap(),
            serde_json::to_string(&again).unwrap()
        );
        assert_eq!(out, out_again);

        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(
            serde_json::from_str::<State>(&text).unwrap(),
            state,
            "a state changes by being written"
        );
        let done = if let Event::Done { id, .. } = &event {
            Some(*id)
        } else {
            None
        };
        self.events.push((self.now, event));
        self.note(&text, out, done);
        self.state = Some(text);
    }

    fn step(&mut self, event: Event) -> (State, Out) {
        let state = self
            .state
            .as_ref()
            .map(|text| serde_json::from_str(text).unwrap());
        step(self.program, state, self.now, event, &mut self.evaluator)
    }

    fn note(&mut self, state: &str, out: Out, done: Option<u32>) {
        for row in &out.finished {
            self.steps += 1;
            assert_eq!(row.number, self.steps, "steps have gaps");
        }
        for emitted in &out.emitted {
            assert!(
                self.emitted.insert(emitted.key.clone()),
                "{} was emitted twice",
                emitted.key
            );
        }
        for issued in &out.issued {
            if let Effect::Http(request) = &issued.effect {
                let body = json!([request.uri, request.query, request.headers, request.body]).to_string();
                let known = self
                    .requests
                    .entry(request.key.clone())
                    .or_insert_with(|| body.clone());
                assert_eq!(*known, body, "one key, two bodies");
            }
        }
        for id in out.cancelled.iter().chain(&done) {
            self.in_flight.remove(id);
        }
        self.in_flight
            .extend(out.issued.into_iter().map(|issued| (issued.id, issued)));
        self.status = out.summary.status;
        self.wake_at = out.summary.wake_at;
        self.error = out.summary.error;
        assert_eq!(out.summary.steps, self.steps);
        assert_ne!(self.status, RunState::Pending);
        if self.is_open() {
            let pending = pending(state.as_bytes()).unwrap().issued;
            let pending: BTreeMap<_, _> = pending.into_iter().map(|issued| (issued.id, issued)).collect();
            assert_eq!(
                pending, self.in_flight,
                "what is pending is not what is under way"
            );
            assert_eq!(
                out.summary.has_calls,
                self.in_flight
                    .values()
                    .any(|issued| matches!(issued.effect, Effect::Http(_)))
            );
            let can_go_on = self.wake_at.is_some() || !self.in_flight.is_empty();
            assert!(
                can_go_on || self.status == RunState::Paused,
                "nothing can ever happen any more"
            );
        } else {
            assert!(
                self.in_flight.is_empty(),
                "{:?} are under way in a run that is over",
                self.in_flight
            );
        }
    }

    fn is_open(&self) -> bool {
        matches!(
            self.status,
            RunState::Running | RunState::Waiting | RunState::Paused
        )
    }

    fn choose(&mut self, choice: Choice) {
        match choice {
            Choice::Answer(which, status) => {
                if let Some(id) = self.nth(which, |effect| matches!(effect, Effect::Http(_))) {
                    self.happen(Event::Done {
                        id,
                        result: Ok(reply(status)),
                    });
                }
            }
            Choice::Fail(which) => {
                if let Some(id) = self.nth(which, |effect| matches!(effect, Effect::Http(_))) {
                    let (kind, message) = ("connect".to_owned(), "refused".to_owned());
                    self.happen(Event::Done {
                        id,
                        result: Err(CallFailure { kind, message }),
                    });
                }
            }
            Choice::Message(which, filter) => {
                if let Some(id) = self.nth(which, |effect| matches!(effect, Effect::Listen(_))) {
                    self.hear(id, filter);
                }
            }
            Choice::Stale(id) => {
                if !self.in_flight.contains_key(&id) {
                    let before = self.state.clone();
                    self.happen(Event::Done {
                        id,
                        result: Ok(reply(200)),
                    });
                    assert_eq!(
                        self.state, before,
                        "an event that makes no sense changed something"
                    );
                }
            }
            Choice::Tick(millis) => {
                self.now = self.now + Duration::from_millis(millis);
                self.happen(Event::Tick);
            }
            Choice::Pause => self.happen(Event::Pause),
            Choice::Resume => self.happen(Event::Resume),
            Choice::Retry(fresh_keys) => self.happen(Event::Retry { fresh_keys }),
            Choice::Cancel => self.happen(Event::Cancel),
            Choice::Fault => {
                let can = !matches!(self.status, RunState::Completed | RunState::Cancelled);
                let error = Error {
                    kind: "about:blank".to_owned(),
                    status: 500,
                    title: None,
                    detail: None,
                    instance: None,
                };
                self.happen(Event::Fault { error: error.clone() });
                if can {
                    // Also of a retry that could not be begun: the error of before says nothing of it.
                    assert_eq!(
                        (self.status, self.error.as_ref()),
                        (RunState::Faulted, Some(&error))
                    );
                }
            }
        }
    }

    fn nth(&self, which: usize, is: impl Fn(&Effect) -> bool) -> Option<u32> {
        let ids: Vec<_> = self
            .in_flight
            .values()
            .filter(|issued| is(&issued.effect))
            .collect();
        ids.get(which % ids.len().max(1)).map(|issued| issued.id)
    }

    fn hear(&mut self, id: u32, filter: usize) {
        let key = format!("msg_{}", self.events.len());
        let envelope = json!({"type": "a", "data": {"n": self.events.len()}});
        self.happen(Event::Message {
            id,
            filter,
            key,
            envelope,
        });
    }

    /// Has everything end well that is under way.
    fn finish(&mut self) {
        for _ in 0..MOST_EVENTS {
            if !self.is_open() {
                return;
            }
            if self.status == RunState::Paused {
                self.happen(Event::Resume);
            } else if let Some(id) = self.nth(0, |effect| matches!(effect, Effect::Http(_))) {
                self.happen(Event::Done {
                    id,
                    result: Ok(reply(200)),
                });
            } else if let Some(id) = self.nth(0, |effect| matches!(effect, Effect::Listen(_))) {
                let Effect::Listen(listen) = &self.in_flight[&id].effect else {
                    unreachable!()
                };
                let filter = listen.filters[0].0;
                self.hear(id, filter);
            } else {
                self.now = self.now.max(self.wake_at.expect("something can happen"));
                self.happen(Event::Tick);
            }
        }
        panic!("the run does not end");
    }

    fn replay(&mut self) {
        let mut state: Option<State> = None;
        for (at, event) in self.events.clone() {
            state = Some(step(self.program, state, at, event, &mut self.evaluator).0);
        }
        assert_eq!(
            serde_json::to_string(&state.unwrap()).unwrap(),
            self.state.clone().unwrap()
        );
    }
}

fn reply(status: u16) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: BASE64_STANDARD.encode(format!("{{\"answered\": {status}.1}}")),
    }
}

proptest! {
    #[test]
    fn any_run_is_sound_whatever_happens(
        document in document(),
        choices in choices(),
        number in proptest::num::f64::NORMAL,
    ) {
        let program = program::read(&document, &mut program::evaluator());
        let mut run = Sceptic::new(&program);
        run.happen(Event::Start(Start {
            run: "run_1".to_owned(),
            input: json!({"n": {"n": number}}),
            context: json!(null),
            secrets: json!(null),
            nonce: "9f3c".to_owned(),
            version: 1,
        }));
        for choice in choices {
            run.choose(choice);
        }
        run.finish();
        run.replay();
    }
}
