//! Load over connections that each send one request after the other.
//!
//! *Theory of operation.* Connections take tickets; a ticket says when its request was due, and latency counts from there.
//! An open loop issues tickets by the schedule, whether or not anything answers: a system that stalls makes requests late,
//! and their lateness is in the figures. A closed loop issues a ticket whenever a connection is free, which finds the
//! highest rate; its latencies say how long one of so many connections waits, not what a sender would see at some rate.

mod schedule;
mod shot;
mod tickets;

pub(crate) use shot::{Door, Shot, sign};

use crate::http::Connection;
use crate::latencies::Latencies;
use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tickets::Tickets;
use tokio::sync::Semaphore;

/// When requests are due.
#[derive(Debug, Clone)]
pub(crate) enum Pace {
    /// As soon as a connection is free.
    Closed,
    /// As soon as a connection is free and the window has a permit, which whoever sees the request's effect gives back.
    Windowed(Arc<Semaphore>),
    /// So many a second.
    Open(u32),
}

/// When it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extent {
    Time(Duration),
    /// After so many requests. Of an open loop: after the time that they take.
    Count(u64),
}

/// How hard to push.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) extent: Extent,
}

impl Load {
    /// The highest rate over so many connections.
    pub(crate) fn closed(connections: usize, time: Duration) -> Self {
        Self {
            connections,
            pace: Pace::Closed,
            extent: Extent::Time(time),
        }
    }

    /// So many requests a second. 64 connections: what queues is the system, not its senders.
    pub(crate) fn open(per_second: u32, time: Duration) -> Self {
        Self {
            connections: 64,
            pace: Pace::Open(per_second),
            extent: Extent::Time(time),
        }
    }

    /// The same for another time.
    pub(crate) fn lasting(self, time: Duration) -> Self {
        Self {
            extent: Extent::Time(time),
            ..self
        }
    }
}

/// Loads so far: no two of them may use the same keys.
static LOADS: AtomicU64 = AtomicU64::new(0);

/// What came back.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) accepted: u64,
    /// Answers other than 2xx.
    pub(crate) refused: u64,
    pub(crate) took: Duration,
    /// Of what was accepted.
    pub(crate) latencies: Latencies,
}

/// Sends until the load's end, and waits for every answer.
pub(crate) async fn send(address: SocketAddr, shot: &Arc<Shot>, load: Load) -> Result<Outcome> {
    let latencies = Latencies::new();
    let [accepted, refused] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        connections.push(Connection::open(address).await?);
    }
    let load_number = LOADS.fetch_add(1, Ordering::Relaxed);
    let started = Instant::now();
    let tickets = Arc::new(Tickets::begin(&load, started));
    let senders: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let (shot, tickets, latencies) = (Arc::clone(shot), Arc::clone(&tickets), latencies.clone());
            let [accepted, refused] = [&accepted, &refused].map(Arc::clone);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while let Some(ticket) = tickets.take().await {
                    let key = (load_number, ticket.number);
                    shot.write(key, ticket.due, &mut request);
                    let status = match connection.exchange(&request).await {
                        Ok(status) => status,
                        // Servers close what was idle for long. It is sent again as it was, in its own time.
                        Err(_closed) => {
                            connection = Connection::open(address).await?;
                            connection.exchange(&request).await?
                        }
                    };
                    if (200..300).contains(&status) {
                        latencies.record(ticket.due.elapsed());
                        accepted.fetch_add(1, Ordering::Relaxed);
                    } else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        tickets.give_back();
                    }
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for sender in senders {
        sender.await??;
    }
    Ok(Outcome {
        accepted: accepted.load(Ordering::Relaxed),
        refused: refused.load(Ordering::Relaxed),
        took: started.elapsed(),
        latencies,
    })
}
