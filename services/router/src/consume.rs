//! Taking events off the conveyor: what has arrived makes a batch, and a few batches are under way at once.

use crate::route::Router;
use boot::Backoff;
use boot::{Shutdown, metrics, trace};
use broker::{Consumer, Received};
use futures_util::FutureExt as _;
use std::error::Error as StdError;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;
use wire::{EventId, Queue, Reference};

/// References that the gateway puts into one message at the most.
pub(crate) const REFERENCES: usize = 256;

/// Messages that are held at once.
pub(crate) const PREFETCH: NonZeroU16 = NonZeroU16::new(32).expect("32 is not zero");

/// Batches under way: while one is evaluated another is written.
pub(crate) const BATCHES: usize = 4;

/// How often a batch is tried whose failure is not the ledger's silence.
const TRIES: u32 = 5;

/// Links of a batch's span to the traces of the messages in it, beside the first one's.
const LINKS: usize = 16;

/// Routes what the conveyor brings, until the process stops.
pub(crate) async fn consume(
    router: Arc<Router>,
    mut consumer: Consumer,
    batch_events: usize,
    shutdown: Shutdown,
) {
    let stopping = shutdown.stopping();
    let mut batches = JoinSet::new();
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(ended) = batches.join_next() => check(ended),
            next = consumer.next(), if batches.len() < BATCHES => {
                let Some(first) = next else {
                    break;
                };
                let batch = gather(first, &mut consumer, batch_events);
                let span = batch.span();
                batches.spawn(batch.route(Arc::clone(&router), shutdown.clone()).instrument(span));
            }
        }
    }
    while let Some(ended) = batches.join_next().await {
        check(ended);
    }
}

/// A panic in a batch is one of the consumer, which ends the process: a router that loses batches must not live on.
fn check(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Messages that are routed together.
struct Batch {
    messages: Vec<Received>,
}

/// Adds what has arrived already to the first message. Waits for nothing: an idle router routes one event at once.
fn gather(first: Received, consumer: &mut Consumer, batch_events: usize) -> Batch {
    let mut events = first.message.refs.len();
    let mut messages = vec![first];
    while events < batch_events
        && let Some(Some(next)) = consumer.next().now_or_never()
    {
        events += next.message.refs.len();
        messages.push(next);
    }
    Batch { messages }
}

impl Batch {
    /// A span in the trace of the first message, linked to the others'.
    fn span(&self) -> tracing::Span {
        let span = tracing::info_span!("route", messages = self.messages.len());
        let mut parents = self
            .messages
            .iter()
            .filter_map(|received| received.message.traceparent.as_deref());
        trace::follow(&span, parents.next());
        for parent in parents.take(LINKS) {
            trace::link(&span, parent);
        }
        span
    }

    /// Routes the events, however long it takes, and acknowledges the messages. At the end of the process they are left
    /// to others.
    async fn route(self, router: Arc<Router>, shutdown: Shutdown) {
        let began = Instant::now();
        let ids = self.events();
        let stopping = shutdown.stopping();
        let mut backoff = Backoff::new();
        let mut tries = 0;
        while let Err(failure) = router.route(ids.clone()).await {
            tries += 1;
            if failure.may_be_of_one() && tries >= TRIES {
                // It may be one event of it that the ledger fails at, for ever. The place is for others' batches.
                tracing::error!(
                    events = ids.len(),
                    error.chain = &failure as &dyn StdError,
                    "events cannot be routed; they are left to the next sweep"
                );
                break;
            }
            let pause = backoff.next(rand::random());
            tracing::warn!(
                events = ids.len(),
                error.chain = &failure as &dyn StdError,
                "events cannot be routed now; trying again in {} ms",
                pause.as_millis()
            );
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopping.cancelled() => return,
            }
        }
        metrics::consumed(Queue::Route, ids.len(), began.elapsed());
        for message in self.messages {
            message.ack();
        }
    }

    fn events(&self) -> Vec<EventId> {
        let references = self.messages.iter().flat_map(|received| &received.message.refs);
        let mut ids: Vec<EventId> = references
            .filter_map(|reference| match reference {
                Reference::Event { id } => Some(*id),
                // Of another queue; there is nothing here that could act on it, and a sweep finds its row.
                Reference::Delivery { .. } | Reference::Run { .. } => None,
            })
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }
}
