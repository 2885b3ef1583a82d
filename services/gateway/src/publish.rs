//! Handing references to the conveyor, off the request's path.
//!
//! A reference only says "look now". When it is lost (a queue here is full, the broker is away, the process dies) a sweep
//! finds the row some seconds later; the lease of a delivery that nobody was told of is given back at once.

use boot::{Tasks, metrics};
use broker::Conveyor;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use store::{RoutedEvent, Store};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use wire::{EventId, EventState, Instant, Message, Queue, Reference};

/// References to one queue that may wait here.
const CAPACITY: usize = 8_192;

/// References in one message to the router at the most; it takes events in batches.
const EVENTS: usize = 256;

/// References in one message to workers at the most: a worker takes a whole message, and there are several workers.
const WORK: usize = 64;

/// Messages to one queue whose confirms are awaited at the same time.
const IN_FLIGHT: usize = 8;

/// What concerns whom, once the event is recorded: the router, or the workers where the door has decided already.
pub(crate) fn references(event: EventId, routed: Option<&RoutedEvent>) -> Vec<Reference> {
    let Some(routed) = routed else {
        return vec![Reference::Event { id: event }];
    };
    let leased = |delivery: &store::NewDelivery| {
        let (lease, _) = delivery.lease?;
        Some(Reference::Delivery {
            id: delivery.id,
            lease,
        })
    };
    // One that the door decided, and that runs may wait for.
    let is_offered = routed.state == EventState::Accepted;
    let offered = is_offered.then_some(Reference::Event { id: event });
    let deliveries = routed.deliveries.iter().filter_map(leased);
    let runs = routed.runs.iter().map(|run| Reference::Run { id: run.id });
    offered.into_iter().chain(deliveries).chain(runs).collect()
}

/// One line to each queue, so that a queue that is slow holds up no other. They end when the last request has: with it goes the
/// last that could offer something.
#[derive(Debug)]
pub(crate) struct Publisher {
    route: Sender<Offer>,
    deliver: Sender<Offer>,
    run: Sender<Offer>,
    /// What found no place in its line.
    back: Sender<Reference>,
}

struct Offer {
    reference: Reference,
    traceparent: Option<Arc<str>>,
}

impl Publisher {
    pub(crate) fn start(conveyor: &Conveyor, store: &Store, tasks: &Tasks) -> Self {
        let line = |name: &'static str, queue: Queue, at_once: usize| {
            let (sender, offers) = mpsc::channel(CAPACITY);
            let line = Line {
                conveyor: conveyor.clone(),
                store: store.clone(),
                queue,
                at_once,
            };
            tasks.spawn(name, async move { line.run(offers).await });
            sender
        };
        let (back, unpublished) = mpsc::channel(CAPACITY);
        tasks.spawn("gateway.publish.back", give_back(store.clone(), unpublished));
        Self {
            back,
            route: line("gateway.publish.events", Queue::Route, EVENTS),
            deliver: line("gateway.publish.deliveries", Queue::Deliver, WORK),
            run: line("gateway.publish.runs", Queue::Run, WORK),
        }
    }

    /// Tells the services. Never waits.
    pub(crate) fn offer(&self, references: Vec<Reference>, traceparent: Option<&str>) {
        let traceparent: Option<Arc<str>> = traceparent.map(Arc::from);
        for reference in references {
            let queue = reference.queue();
            let line = match queue {
                Queue::Route => &self.route,
                Queue::Deliver => &self.deliver,
                Queue::Run => &self.run,
            };
            let offer = Offer {
                reference,
                traceparent: traceparent.clone(),
            };
            if let Err(TrySendError::Full(offer) | TrySendError::Closed(offer)) = line.try_send(offer) {
                metrics::publish_failed(queue, 1, "full");
                // Where there is no place either, its lease runs out by itself.
                let _given_back = self.back.try_send(offer.reference);
            }
        }
    }
}

struct Line {
    conveyor: Conveyor,
    store: Store,
    queue: Queue,
    at_once: usize,
}

impl Line {
    async fn run(self, mut offers: Receiver<Offer>) {
        let mut in_flight = FuturesUnordered::new();
        let mut gathered = Vec::with_capacity(self.at_once);
        loop {
            tokio::select! {
                biased;
                Some(()) = in_flight.next() => {}
                count = offers.recv_many(&mut gathered, self.at_once), if in_flight.len() < IN_FLIGHT => {
                    if count == 0 {
                        break;
                    }
                    in_flight.push(self.publish(std::mem::take(&mut gathered)));
                }
            }
        }
        while let Some(()) = in_flight.next().await {}
    }

    async fn publish(&self, offers: Vec<Offer>) {
        let traceparent = offers.iter().find_map(|offer| offer.traceparent.as_deref());
        let traceparent = traceparent.map(ToOwned::to_owned);
        let references: Vec<Reference> = offers.into_iter().map(|offer| offer.reference).collect();
        let message = Message::new(references, traceparent);
        if let Err(error) = metrics::publish(&self.conveyor, self.queue, &message).await {
            // The conveyor logs that it is disconnected, once; a line per message would bury everything else.
            tracing::debug!(error = %error, "references were not published; a sweep will find their rows");
            release(&self.store, message.refs).await;
        }
    }
}

/// Gives leases back whose references found no place in their line.
async fn give_back(store: Store, mut unpublished: Receiver<Reference>) {
    let mut gathered = Vec::with_capacity(EVENTS);
    while unpublished.recv_many(&mut gathered, EVENTS).await > 0 {
        release(&store, std::mem::take(&mut gathered)).await;
    }
}

/// Nobody will come for these leases; without them the next sweep takes the deliveries.
async fn release(store: &Store, references: Vec<Reference>) {
    let lease_of = |reference| match reference {
        Reference::Delivery { id, lease } => Some((id, lease)),
        Reference::Event { .. } | Reference::Run { .. } => None,
    };
    let leases: Vec<_> = references.into_iter().filter_map(lease_of).collect();
    if leases.is_empty() {
        return;
    }
    if let Err(error) = store.release(leases, Instant::now()).await {
        tracing::warn!(
            error.chain = &error as &dyn std::error::Error,
            "leases could not be given back; they run out by themselves"
        );
    }
}
