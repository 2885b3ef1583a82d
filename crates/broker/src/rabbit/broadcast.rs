//! This process's own queue of announcements, at the fan-out exchange.

use super::Shared;
use super::backoff::Backoff;
use super::line::{Line, chain};
use crate::Error;
use crate::changes::{EVERYTHING, Generation};
use crate::error::cause;
use futures_util::StreamExt as _;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::sync::broadcast::Sender;
use tokio::time::sleep;
use wire::Change;

pub(super) fn encode(change: &Change) -> Vec<u8> {
    serde_json::to_vec(change).expect("a change has only a string, which serialises")
}

/// Who hears of announcements in this process.
#[derive(Debug, Clone)]
pub(super) struct Listeners {
    pub(super) announced: Sender<Change>,
    pub(super) generation: Generation,
}

/// Hands announcements to every listener of this process, through outages, until the conveyor closes.
pub(super) async fn keep_subscribed(line: Line, shared: Shared, listeners: Listeners) {
    let closing = shared.closing.clone();
    closing
        .run_until_cancelled_owned(resubscribe(line, shared, listeners))
        .await;
}

/// Never ends while the line has connections; can be dropped at any point.
async fn resubscribe(line: Line, shared: Shared, listeners: Listeners) {
    let mut backoff = Backoff::new();
    while let Some(connection) = line.wait().await {
        let listen = listen(&connection, &shared, &listeners);
        match line.unless_lost(&connection, listen).await {
            // The next connection comes after a pause of its own.
            None => continue,
            Some(Ok(())) => backoff.reset(),
            Some(Err(error)) => {
                let chain = chain(&error);
                tracing::warn!(
                    error.chain = chain,
                    "cannot listen to announcements, caches age until it works"
                );
            }
        }
        sleep(backoff.pause()).await;
    }
}

/// Subscribes, and hands on until the subscription ends.
async fn listen(connection: &Connection, shared: &Shared, listeners: &Listeners) -> Result<(), Error> {
    let (_channel, mut announcements) = subscribe(connection, shared).await?;
    // What was announced before this subscription stood was missed.
    hand_on(listeners, EVERYTHING);
    while let Some(Ok(announcement)) = announcements.next().await {
        // What another release announces in its own way concerns us too.
        let change = serde_json::from_slice(&announcement.data).unwrap_or(EVERYTHING);
        hand_on(listeners, change);
    }
    Ok(())
}

async fn subscribe(connection: &Connection, shared: &Shared) -> Result<(Channel, Consumer), Error> {
    let failed = |error| Error::Operation {
        operation: "subscribe to",
        queue: shared.topology.changes(),
        source: cause(error),
    };
    shared.topology.declare_changes(connection).await?;
    let channel = connection.create_channel().await.map_err(failed)?;
    let queue = shared.topology.declare_subscription(&channel).await?;
    let options = BasicConsumeOptions {
        // Nothing is done twice or late by forgetting a cache, so nothing needs acknowledging.
        no_ack: true,
        exclusive: true,
        ..Default::default()
    };
    let consume = channel.basic_consume(queue.as_ref().into(), "".into(), options, FieldTable::default());
    let consumer = consume.await.map_err(failed)?;
    Ok((channel, consumer))
}

fn hand_on(listeners: &Listeners, change: Change) {
    listeners.generation.advance();
    // Nobody may be listening.
    let _listeners = listeners.announced.send(change);
}
