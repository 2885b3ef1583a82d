//! Offering events to the runs that wait for one.
//!
//! # Theory of operation
//!
//! For a batch of a workspace's events: each is asked the expressions of each shape once, and the digests of what they
//! yield find the waits by an index. The expressions over the data are asked once an event too. [`waitbox::decide`] says
//! who gets which, event by event, so that no wait is used twice.
//!
//! At most 10,000 waits of one kind are looked at for an event, oldest run first.

mod read;

use crate::ask::ask;
use crate::trace::{Trace, Waited};
use expression::{ExpressionError, Jail, JailError, Job, Output, Want};
use read::Waits;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use store::{Event, Gift, NewWait, RoutedEvent, RoutingTable, Store, WaitShape};
use waitbox::{Candidate, Digest, Expectation, Incoming, Shape, Spent, Wait};
use wire::{EventId, EventState, RunId};

/// What the waitbox makes of one event.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Who gets it.
    pub gifts: Vec<Gift>,
    /// For the trace.
    pub waits: Vec<Waited>,
    /// The run that looked back and has it alone.
    pub taken_by: Option<RunId>,
}

impl Heard {
    /// Whether a run that looked back has it alone.
    pub fn is_taken(&self) -> bool {
        self.taken_by.is_some()
    }

    /// Whether the routes are not to see it.
    pub fn is_exclusive(&self) -> bool {
        self.is_taken() || self.gifts.iter().any(|gift| gift.is_exclusive)
    }
}

/// Why events cannot be offered now.
#[derive(Debug, thiserror::Error)]
pub enum WaitFailure {
    /// The waits cannot be read.
    #[error("the waitbox cannot be read")]
    Ledger(#[from] store::Error),
    /// Expressions cannot be evaluated.
    #[error("the expressions of runs that wait cannot be evaluated")]
    Jail(#[from] JailError),
}

/// An event as the waitbox sees it; `source` is the slug of its source.
pub fn incoming<'e>(event: &'e Event, source: Option<&'e str>) -> Incoming<'e> {
    Incoming {
        id: event.id,
        source,
        event_type: event.event_type.as_deref(),
        received_at: event.received_at,
        method: &event.method,
        headers: &event.headers,
        content_type: event.content_type.as_deref(),
        body: &event.body,
    }
}

/// The row of a wait, to be put in with the state that waits for the first time.
///
/// A listen that is issued again for what is left of it has its rows already. They are not to be put in again: one may be
/// used up by an event that is on its way, and would swallow another.
pub fn wait_row(effect: i32, wait: &Wait) -> NewWait {
    NewWait {
        effect,
        filter: i32::try_from(wait.filter).unwrap_or(i32::MAX),
        event_type: wait.event_type.clone(),
        shape: wait.shape.as_bytes().to_vec(),
        correlation: wait.correlation.as_bytes().to_vec(),
        spec: serde_json::to_string(&wait.expectation)
            .expect("an expectation is plain data with text keys, which has a JSON form"),
        is_any: wait.is_any,
        is_broadcast: wait.is_broadcast,
    }
}

/// What becomes of an event that a run has taken.
pub fn taken(event: &Event, heard: Heard, at: wire::Instant) -> RoutedEvent {
    RoutedEvent {
        id: event.id,
        state: EventState::Routed,
        trace: Trace::of_heard(event.id, &heard).to_json(),
        deliveries: Vec::new(),
        runs: Vec::new(),
        is_taken: heard.is_taken(),
        gifts: heard.gifts,
        at,
    }
}

/// What becomes of an event whose door has decided what its routes make of it, and said so to the sender: the runs that wait
/// for it have it beside them.
pub fn settled(event: &Event, heard: Heard, at: wire::Instant) -> RoutedEvent {
    let kept = event.trace.as_deref().and_then(Trace::from_json);
    RoutedEvent {
        trace: kept
            .unwrap_or_else(|| Trace::of(event.id))
            .heard_by(&heard)
            .to_json(),
        ..taken(event, heard, at)
    }
}

/// Says which runs get events of one workspace. Those that nobody waits for are left out.
///
/// `shapes` are those of the events' types, by the type; `given` says who has some of the events already.
pub async fn offer(
    store: &Store,
    jail: &Jail,
    events: &[Event],
    table: &RoutingTable,
    shapes: &BTreeMap<String, Vec<WaitShape>>,
    given: &[(EventId, RunId, bool)],
) -> Result<BTreeMap<EventId, Heard>, WaitFailure> {
    let mut offered: Vec<Offered<'_>> = events
        .iter()
        .map(|event| {
            let slug = event.source_id.as_ref().and_then(|id| table.sources.get(id));
            Offered::new(event, slug.map(String::as_str), given)
        })
        .collect();
    correlate(jail, &mut offered, shapes).await?;
    let waits = match events.first() {
        Some(event) => Waits::read(store, &event.workspace_id, counted(&offered), given.len()).await?,
        None => return Ok(BTreeMap::new()),
    };
    filter(jail, &mut offered, &waits).await?;
    offered.sort_by_key(|event| event.incoming.id);
    let mut spent = Spent::default();
    let mut heard = BTreeMap::new();
    for event in offered {
        let id = event.incoming.id;
        let found = event.decide(&waits, &mut spent);
        if !found.waits.is_empty() || found.is_exclusive() {
            heard.insert(id, found);
        }
    }
    Ok(heard)
}

/// An event on offer, and what was found of it.
struct Offered<'e> {
    incoming: Incoming<'e>,
    /// Who has it already.
    had_by: HashSet<RunId>,
    taken_by: Option<RunId>,
    /// Shape and correlation, for each shape that it could be asked.
    keys: BTreeSet<(Digest, Digest)>,
    /// What the expressions over its data yielded.
    verdicts: BTreeMap<String, Result<bool, ExpressionError>>,
    failed: Vec<Waited>,
}

impl<'e> Offered<'e> {
    fn new(event: &'e Event, source: Option<&'e str>, given: &[(EventId, RunId, bool)]) -> Self {
        let of_event = || given.iter().filter(|(id, ..)| *id == event.id);
        Self {
            incoming: incoming(event, source),
            had_by: of_event().map(|(_, run, _)| *run).collect(),
            taken_by: of_event().find(|(.., alone)| *alone).map(|(_, run, _)| *run),
            keys: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    fn decide(mut self, waits: &Waits, spent: &mut Spent) -> Heard {
        let source = self.incoming.source();
        let mut matching = Vec::new();
        let mut failed: HashSet<&str> = HashSet::new();
        for wait in self.waits(waits) {
            let is_free = !self.had_by.contains(&wait.candidate.run)
                && (self.taken_by.is_none() || wait.candidate.is_broadcast);
            if !is_free || !wait.expectation.takes_source(Some(&source)) {
                continue;
            }
            match wait.expectation.data.as_deref() {
                None => matching.push(wait.candidate.clone()),
                Some(data) => match self.verdicts.get(data) {
                    Some(Ok(true)) => matching.push(wait.candidate.clone()),
                    Some(Err(error)) if failed.insert(data) => {
                        let reason = format!("the expression over the data fails: {error}");
                        self.failed.push(missed(&wait.candidate, &reason));
                    }
                    Some(Ok(false) | Err(_)) | None => {}
                },
            }
        }
        let offer = waitbox::decide(&matching, spent);
        let mut heard = Heard {
            taken_by: self.taken_by,
            ..Heard::default()
        };
        if let Some(run_id) = self.taken_by {
            heard.waits.push(Waited {
                run_id,
                matched: true,
                exclusive: true,
                reason: "the run looked back and has taken it".to_owned(),
            });
        }
        for gift in offer.gifts() {
            heard.waits.push(Waited {
                run_id: gift.run,
                matched: true,
                exclusive: gift.is_exclusive,
                reason: if gift.is_exclusive {
                    "the run waits for it and takes it".to_owned()
                } else {
                    "the run waits for it, as others may".to_owned()
                },
            });
            heard.gifts.push(gift_row(gift));
        }
        heard.waits.append(&mut self.failed);
        heard
    }

    /// The waits whose correlation is the event's.
    fn waits<'w>(&self, waits: &'w Waits) -> Vec<&'w read::Wait> {
        let of_type = self.incoming.event_type.unwrap_or_default();
        let keys = self.keys.iter();
        keys.flat_map(|(shape, correlation)| waits.of(of_type, shape, correlation))
            .collect()
    }
}

/// How many of the events there are for each key: so many exclusive waits without more to look at are enough.
fn counted(offered: &[Offered<'_>]) -> HashMap<read::Key, usize> {
    let mut counts = HashMap::new();
    for event in offered {
        let event_type = event.incoming.event_type.unwrap_or_default();
        for (shape, correlation) in &event.keys {
            let key = (event_type.to_owned(), shape.clone(), correlation.clone());
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

fn missed(wait: &Candidate, reason: &str) -> Waited {
    Waited {
        run_id: wait.run,
        matched: false,
        exclusive: !wait.is_broadcast,
        // An expression may have put it there, and Postgres would refuse the row.
        reason: reason.replace('\0', "\u{fffd}"),
    }
}

pub(crate) fn gift_row(gift: &waitbox::Gift) -> Gift {
    Gift {
        run_id: gift.run,
        effect: gift.effect,
        filter: gift.filter,
        is_any: gift.is_any,
        is_exclusive: gift.is_exclusive,
    }
}

/// Asks each event the expressions of each shape of its type, once.
async fn correlate(
    jail: &Jail,
    offered: &mut [Offered<'_>],
    shapes: &BTreeMap<String, Vec<WaitShape>>,
) -> Result<(), JailError> {
    let mut of_type: HashMap<&str, Vec<(Shape, RunId)>> = HashMap::new();
    for (event_type, rows) in shapes {
        let parsed = rows.iter().filter_map(|row| {
            let expectation: Expectation = serde_json::from_str(&row.spec).ok()?;
            Some((expectation.shape(), row.run_id))
        });
        of_type.insert(event_type, parsed.collect());
    }
    let mut asked = Vec::new();
    let mut jobs = Vec::new();
    for (number, event) in offered.iter_mut().enumerate() {
        let event_type = event.incoming.event_type.unwrap_or_default();
        let mut envelope = None;
        for (shape, run) in of_type.get(event_type).into_iter().flatten() {
            if shape.digest().is_empty() {
                event
                    .keys
                    .insert((shape.digest().clone(), shape.digest().clone()));
                continue;
            }
            let envelope = envelope.get_or_insert_with(|| event.incoming.envelope_text());
            asked.push((number, shape, *run));
            jobs.extend(shape.expressions().iter().map(|expression| Job {
                program: Arc::from(expression.as_str()),
                input: envelope.clone(),
                want: Want::Value,
            }));
        }
    }
    let mut answers = ask(jail, jobs).await?.into_iter();
    for (number, shape, run) in asked {
        let answers: Vec<_> = answers.by_ref().take(shape.expressions().len()).collect();
        let Some(event) = offered.get_mut(number) else {
            continue;
        };
        match yielded(answers) {
            Ok(values) => {
                let correlation = shape.correlation(&values);
                event.keys.insert((shape.digest().clone(), correlation));
            }
            Err(error) => event.failed.push(Waited {
                run_id: run,
                matched: false,
                exclusive: false,
                reason: format!("an expression of its correlation fails: {error}").replace('\0', "\u{fffd}"),
            }),
        }
    }
    Ok(())
}

/// The values of a shape's expressions, or why one has none.
pub(crate) fn yielded(answers: Vec<Result<Output, ExpressionError>>) -> Result<Vec<Value>, ExpressionError> {
    let value = |answer| match answer? {
        Output::Value(json) => serde_json::from_slice(&json).or(Err(ExpressionError::NoOutput)),
        Output::Boolean(verdict) => Ok(verdict.into()),
        Output::Text(_) => Err(ExpressionError::NoOutput),
    };
    answers.into_iter().map(value).collect()
}

/// Asks each event the expressions over the data of the waits that are left, once.
async fn filter(jail: &Jail, offered: &mut [Offered<'_>], waits: &Waits) -> Result<(), JailError> {
    let mut asked = Vec::new();
    let mut jobs = Vec::new();
    for (number, event) in offered.iter().enumerate() {
        let source = event.incoming.source();
        let with_source = event.waits(waits).into_iter();
        let expressions: BTreeSet<&str> = with_source
            .filter(|wait| wait.expectation.takes_source(Some(&source)))
            .filter_map(|wait| wait.expectation.data.as_deref())
            .collect();
        let data = event.incoming.data();
        for expression in expressions {
            asked.push((number, expression.to_owned()));
            jobs.push(Job {
                program: Arc::from(expression),
                input: data.clone(),
                want: Want::Boolean,
            });
        }
    }
    let answers = ask(jail, jobs).await?;
    for ((number, expression), answer) in asked.into_iter().zip(answers) {
        if let Some(event) = offered.get_mut(number) {
            event
                .verdicts
                .insert(expression, answer.map(|output| is_true(&output)));
        }
    }
    Ok(())
}

pub(crate) fn is_true(output: &Output) -> bool {
    *output == Output::Boolean(true)
}
