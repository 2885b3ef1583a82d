//! Looking back: a run that begins to wait takes what came before it did.
//!
//! The router, who has read the waits before this one was there, will not offer it what it routes now. So once the wait is
//! committed, its runner looks for events that are there already. One that comes later meets a router that sees the wait.
//! Routes may have seen such an event too, which was nobody's when they did.

use crate::ask::ask;
use crate::waiting::{WaitFailure, gift_row, incoming, is_true, yielded};
use expression::{ExpressionError, Jail, Job, Output, Want};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use store::{Event, Gift, Given, Store};
use waitbox::{Candidate, Digest, Incoming, Shape, Spent, Wait};
use wire::{EventId, Instant, RunId, SourceId, WorkspaceId};

/// How many events of a type are looked at, the newest of them.
const MOST: i64 = 1_000;

/// Events that are read at once, and the bytes of their bodies.
const PAGE: usize = 100;
const PAGE_BYTES: usize = 8 << 20;

/// Gives a run what came for its new waits since it began, the first events first; `started_by` is the event that it
/// began with. Returns what it was given, which is in its inbox.
///
/// To be called when the waits are committed, with the effects that they belong to. Cancel-safe: what was given is given.
pub async fn look_back(
    store: &Store,
    jail: &Jail,
    workspace: &WorkspaceId,
    (run, started_by): (RunId, Option<EventId>),
    waits: &[(i32, Wait)],
    at: Instant,
) -> Result<Vec<(EventId, Gift)>, WaitFailure> {
    let mut found: BTreeMap<EventId, usize> = BTreeMap::new();
    let types: BTreeSet<&str> = waits.iter().map(|(_, wait)| wait.event_type.as_str()).collect();
    for event_type in types {
        let since = EventId::new(run.instant(), 0);
        let events = store.events_since(workspace, event_type.to_owned(), since, MOST);
        let sized = events.await?.into_iter();
        found.extend(sized.map(|(id, bytes)| (id, usize::try_from(bytes).unwrap_or(0))));
    }
    if let Some(started_by) = started_by {
        found.remove(&started_by);
    }
    let mut gifts = Vec::new();
    if found.is_empty() {
        return Ok(gifts);
    }
    let slugs = store.source_slugs(workspace).await?;
    let mut spent = Spent::default();
    for page in pages(found) {
        let is_open = |(effect, wait): &(i32, Wait)| !spent.has(run, *effect, filter_of(wait));
        let open: Vec<&(i32, Wait)> = waits.iter().filter(|wait| is_open(wait)).collect();
        if open.is_empty() {
            break;
        }
        let looked = Looked::at(store, jail, page, &open, &slugs).await?;
        for (event, matching) in looked.events {
            let given: Vec<_> = looked.given.iter().filter(|(id, ..)| *id == event).collect();
            if given.iter().any(|(_, other, _)| *other == run) {
                continue;
            }
            let is_taken = given.iter().any(|(.., alone)| *alone);
            let matching: Vec<Candidate> = matching
                .into_iter()
                .filter(|place| !is_taken || place.is_broadcast)
                .map(|place| Candidate { run, ..place })
                .collect();
            let mut after = spent.clone();
            let offer = waitbox::decide(&matching, &mut after);
            let Some(gift) = offer.gifts().next().map(gift_row) else {
                continue;
            };
            match store.give(event, gift, at).await? {
                Given::Given => {
                    gifts.push((event, gift));
                    spent = after;
                }
                // The router has given it something else meanwhile.
                Given::Gone => spent = after,
                Given::Taken => {}
            }
        }
    }
    Ok(gifts)
}

fn filter_of(wait: &Wait) -> i32 {
    i32::try_from(wait.filter).unwrap_or(i32::MAX)
}

/// Cuts the events into what may be held at once.
fn pages(found: BTreeMap<EventId, usize>) -> Vec<Vec<EventId>> {
    let mut pages: Vec<Vec<EventId>> = Vec::new();
    let mut held = 0_usize;
    for (id, bytes) in found {
        held = held.saturating_add(bytes);
        match pages.last_mut() {
            Some(page) if page.len() < PAGE && held <= PAGE_BYTES => page.push(id),
            _ => {
                held = bytes;
                pages.push(vec![id]);
            }
        }
    }
    pages
}

/// A page of events, and which of the waits each is for.
struct Looked {
    events: Vec<(EventId, Vec<Candidate>)>,
    given: Vec<(EventId, RunId, bool)>,
}

impl Looked {
    async fn at(
        store: &Store,
        jail: &Jail,
        page: Vec<EventId>,
        waits: &[&(i32, Wait)],
        slugs: &HashMap<SourceId, String>,
    ) -> Result<Self, WaitFailure> {
        let given = store.given(page.clone()).await?;
        let mut events = store.events_named(page).await?;
        events.sort_by_key(|event| event.id);
        let mut looked = Vec::with_capacity(events.len());
        let asked: Vec<Asked<'_>> = events
            .iter()
            .map(|event| Asked::of(event, waits, slugs))
            .collect();
        let jobs = asked.iter().flat_map(Asked::jobs).collect();
        let mut answers = ask(jail, jobs).await?.into_iter();
        for event in &asked {
            looked.push((event.incoming.id, event.matching(&mut answers)));
        }
        Ok(Self {
            events: looked,
            given,
        })
    }
}

/// What one event is asked: each distinct expression once.
struct Asked<'e> {
    incoming: Incoming<'e>,
    waits: Vec<&'e (i32, Wait)>,
    shapes: Vec<Shape>,
    data: BTreeSet<&'e str>,
}

impl<'e> Asked<'e> {
    fn of(event: &'e Event, waits: &[&'e (i32, Wait)], slugs: &'e HashMap<SourceId, String>) -> Self {
        let slug = event.source_id.as_ref().and_then(|id| slugs.get(id));
        let incoming = incoming(event, slug.map(String::as_str));
        let source = incoming.source();
        let is_for = |(_, wait): &&(i32, Wait)| {
            Some(wait.event_type.as_str()) == incoming.event_type
                && wait.expectation.takes_source(Some(&source))
        };
        let waits: Vec<&(i32, Wait)> = waits.iter().copied().filter(is_for).collect();
        let mut seen = HashSet::new();
        let shapes = waits.iter().map(|(_, wait)| wait.expectation.shape());
        let shapes = shapes
            .filter(|shape| seen.insert(shape.digest().clone()))
            .collect();
        let data = waits
            .iter()
            .filter_map(|(_, wait)| wait.expectation.data.as_deref())
            .collect();
        Self {
            incoming,
            waits,
            shapes,
            data,
        }
    }

    fn jobs(&self) -> Vec<Job> {
        let job = |program: &str, input: &bytes::Bytes, want| Job {
            program: Arc::from(program),
            input: input.clone(),
            want,
        };
        let mut jobs = Vec::new();
        if self.shapes.iter().any(|shape| !shape.digest().is_empty()) {
            let envelope = self.incoming.envelope_text();
            let expressions = self.shapes.iter().flat_map(Shape::expressions);
            jobs.extend(expressions.map(|expression| job(expression, &envelope, Want::Value)));
        }
        if !self.data.is_empty() {
            let data = self.incoming.data();
            jobs.extend(
                self.data
                    .iter()
                    .map(|expression| job(expression, &data, Want::Boolean)),
            );
        }
        jobs
    }

    /// The waits that it is for; takes the answers to its jobs.
    fn matching(
        &self,
        answers: &mut impl Iterator<Item = Result<Output, ExpressionError>>,
    ) -> Vec<Candidate> {
        let mut correlations: HashMap<&Digest, Digest> = HashMap::new();
        for shape in &self.shapes {
            let of_shape: Vec<_> = answers.by_ref().take(shape.expressions().len()).collect();
            if let Ok(values) = yielded(of_shape) {
                correlations.insert(shape.digest(), shape.correlation(&values));
            }
        }
        let of_data: HashSet<&str> = self
            .data
            .iter()
            .zip(answers)
            .filter(|(_, answer)| answer.as_ref().is_ok_and(is_true))
            .map(|(expression, _)| *expression)
            .collect();
        let is_it = |(_, wait): &&&(i32, Wait)| {
            correlations.get(&wait.shape) == Some(&wait.correlation)
                && wait
                    .expectation
                    .data
                    .as_deref()
                    .is_none_or(|data| of_data.contains(data))
        };
        let waits = self.waits.iter().filter(is_it);
        waits
            .map(|(effect, wait)| Candidate {
                // Whoever looks back knows who it is.
                run: RunId::from_uuid(uuid::Uuid::nil()),
                effect: *effect,
                filter: filter_of(wait),
                is_any: wait.is_any,
                is_broadcast: wait.is_broadcast,
            })
            .collect()
    }
}
