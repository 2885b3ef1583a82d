//! Handing references to the conveyor, off the request's path.
//!
//! A reference only says "look now". When it is lost (the queue here is full, the broker is away, the process dies) the
//! router's sweep finds the event some seconds later.

use boot::{Tasks, metrics};
use broker::Conveyor;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{self, Receiver, Sender};
use wire::{EventId, Message, Queue, Reference};

/// References that may wait here.
const CAPACITY: usize = 8_192;

/// References in one message at the most.
const REFERENCES: usize = 256;

/// Messages whose confirms are awaited at the same time.
const IN_FLIGHT: usize = 8;

#[derive(Debug)]
pub(crate) struct Publisher(Sender<Offer>);

struct Offer {
    event: EventId,
    traceparent: Option<String>,
}

impl Publisher {
    pub(crate) fn start(conveyor: Conveyor, tasks: &Tasks) -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let stopping = tasks.shutdown().stopping();
        tasks.spawn("gateway.publish", async move {
            run(conveyor, receiver, stopping).await;
        });
        Self(sender)
    }

    /// Tells the router of an event. Never waits.
    pub(crate) fn offer(&self, event: EventId, traceparent: Option<String>) {
        if self.0.try_send(Offer { event, traceparent }).is_err() {
            metrics::publish_failed(Queue::Route, 1, "full");
        }
    }
}

async fn run(conveyor: Conveyor, mut offers: Receiver<Offer>, stopping: tokio_util::sync::CancellationToken) {
    let mut in_flight = FuturesUnordered::new();
    let mut gathered = Vec::with_capacity(REFERENCES);
    loop {
        tokio::select! {
            // What has been accepted goes out first; the end comes when nothing is left.
            biased;
            Some(()) = in_flight.next() => {}
            count = offers.recv_many(&mut gathered, REFERENCES), if in_flight.len() < IN_FLIGHT => {
                if count == 0 {
                    break;
                }
                in_flight.push(publish(&conveyor, std::mem::take(&mut gathered)));
            }
            () = stopping.cancelled(), if in_flight.is_empty() && offers.is_empty() => break,
        }
    }
}

async fn publish(conveyor: &Conveyor, offers: Vec<Offer>) {
    let count = offers.len();
    let traceparent = offers.iter().find_map(|offer| offer.traceparent.clone());
    let references = offers
        .into_iter()
        .map(|offer| Reference::Event { id: offer.event })
        .collect();
    match conveyor
        .publish(Queue::Route, &Message::new(references, traceparent))
        .await
    {
        Ok(()) => metrics::published(Queue::Route, count),
        Err(error) => {
            // The conveyor logs that it is disconnected, once; a line per message would bury everything else.
            tracing::debug!(error = %error, "references were not published; the router's sweep will find the events");
            metrics::publish_failed(Queue::Route, count, "refused");
        }
    }
}
