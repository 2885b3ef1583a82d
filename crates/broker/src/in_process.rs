//! The conveyor of one process: bounded queues in memory.
//!
//! It needs no durability, because the ledger has every row: after a crash the sweepers find what is left to do.

use crate::changes::{BACKLOG, Changes, Generation};
use crate::consumer::{self, Received};
use crate::counts::{Counters, Counts};
use crate::{Error, State};
use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use wire::{Change, Message, Queue};

/// Queues in this process.
#[derive(Debug, Clone)]
pub struct InProcess(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    route: Line,
    deliver: Line,
    run: Line,
    capacity: usize,
    announced: broadcast::Sender<Change>,
    generation: Generation,
    closing: CancellationToken,
    counters: Counters,
}

/// One queue.
#[derive(Debug)]
struct Line {
    waiting: Mutex<VecDeque<Message>>,
    /// One permit for each waiting message.
    arrived: Semaphore,
}

impl Line {
    fn new() -> Self {
        Self {
            waiting: Mutex::new(VecDeque::new()),
            arrived: Semaphore::new(0),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InProcess {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Inner {
            route: Line::new(),
            deliver: Line::new(),
            run: Line::new(),
            capacity,
            announced: broadcast::Sender::new(BACKLOG),
            generation: Generation::default(),
            closing: CancellationToken::new(),
            counters: Counters::default(),
        }))
    }

    pub(crate) fn publish(&self, queue: Queue, message: &Message) -> Result<(), Error> {
        let outcome = self.push(queue, message);
        self.0.counters.publish(&outcome);
        outcome
    }

    fn push(&self, queue: Queue, message: &Message) -> Result<(), Error> {
        self.ensure_open()?;
        let line = self.0.line(queue);
        let mut waiting = line.waiting();
        if waiting.len() >= self.0.capacity {
            return Err(Error::Full {
                queue: queue.name(),
                capacity: self.0.capacity,
            });
        }
        waiting.push_back(message.clone());
        line.arrived.add_permits(1);
        Ok(())
    }

    pub(crate) fn consume(&self, queue: Queue, prefetch: NonZeroU16) -> Consumer {
        Consumer {
            conveyor: self.clone(),
            queue,
            slots: Arc::new(Semaphore::new(prefetch.get().into())),
        }
    }

    pub(crate) fn announce(&self, change: &Change) -> Result<(), Error> {
        self.ensure_open()?;
        self.0.generation.advance();
        // Nobody may be listening.
        let _listeners = self.0.announced.send(change.clone());
        Ok(())
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes::new(self.0.announced.subscribe(), self.0.closing.clone())
    }

    pub(crate) fn generation(&self) -> Generation {
        self.0.generation.clone()
    }

    pub(crate) fn state(&self) -> State {
        if self.0.closing.is_cancelled() {
            State::Closed
        } else {
            State::Connected
        }
    }

    pub(crate) fn depth(&self, queue: Queue) -> u32 {
        u32::try_from(self.0.line(queue).waiting().len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn purge(&self, queue: Queue) -> u32 {
        let line = self.0.line(queue);
        let mut waiting = line.waiting();
        let purged = std::mem::take(&mut *waiting);
        // Under the lock, so that no permit of a message that is published just now is among them. Where a consumer
        // has taken a permit already, it finds nothing and waits for the next.
        line.arrived.forget_permits(purged.len());
        drop(waiting);
        u32::try_from(purged.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.counters.snapshot()
    }

    pub(crate) fn close(&self) {
        self.0.closing.cancel();
    }

    fn ensure_open(&self) -> Result<(), Error> {
        if self.0.closing.is_cancelled() {
            return Err(Error::Closed);
        }
        Ok(())
    }
}

impl Inner {
    fn line(&self, queue: Queue) -> &Line {
        match queue {
            Queue::Route => &self.route,
            Queue::Deliver => &self.deliver,
            Queue::Run => &self.run,
        }
    }
}

/// A consumer of a queue in this process.
#[derive(Debug)]
pub(crate) struct Consumer {
    conveyor: InProcess,
    queue: Queue,
    /// One permit for each message it may still take.
    slots: Arc<Semaphore>,
}

impl Consumer {
    pub(crate) async fn next(&mut self) -> Option<Received> {
        let inner = &self.conveyor.0;
        tokio::select! {
            biased;
            () = inner.closing.cancelled() => None,
            received = self.take() => received,
        }
    }

    /// `None` never comes: no semaphore here is ever closed.
    async fn take(&self) -> Option<Received> {
        let inner = &self.conveyor.0;
        let line = inner.line(self.queue);
        let permit = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        loop {
            line.arrived.acquire().await.ok()?.forget();
            let message = line.waiting().pop_front();
            if let Some(message) = message {
                inner.counters.received.add();
                return Some(Received {
                    message,
                    redelivered: false,
                    slot: consumer::Slot::InProcess(Slot { _permit: permit }),
                });
            }
        }
    }
}

/// The place of an unacknowledged message.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    pub(crate) fn ack(self) {
        drop(self);
    }
}
