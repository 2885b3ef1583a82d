//! Acknowledging many messages at once: each acknowledgement is a record in the log of a quorum queue.

use lapin::Channel;
use lapin::options::BasicAckOptions;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long an acknowledgement may wait for others. Should the process end meanwhile, their messages come again.
const PATIENCE: Duration = Duration::from_millis(20);

/// Acknowledgements of one channel.
#[derive(Debug, Clone)]
pub(super) struct Acks {
    channel: Channel,
    gathered: Arc<Mutex<Gathered>>,
    /// So many of those that may be out at a time are answered together, whatever the patience: the others hold the
    /// consumer up no less when they are answered late.
    enough: usize,
    closing: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Gathered {
    /// The tag of the oldest message that nobody is done with.
    next: u64,
    /// The last of those before it that is to be answered with all before it. The broker ends a channel that answers for a
    /// message for the second time, so it is none that was answered alone.
    last: Option<u64>,
    /// How many are to be answered so.
    in_turn: usize,
    /// Those that were done out of turn and are not answered.
    early: BTreeSet<u64>,
    /// Those that were answered one by one, out of turn.
    alone: BTreeSet<u64>,
    /// Whether somebody waits to answer them.
    is_awaited: bool,
}

/// What to tell the broker.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    /// All up to this one.
    up_to: Option<u64>,
    /// These besides.
    alone: Vec<u64>,
}

impl Acks {
    pub(super) fn new(
        channel: Channel,
        prefetch: u16,
        closing: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            channel,
            gathered: Arc::default(),
            enough: usize::from(prefetch / 4).max(1),
            closing,
            tasks,
        }
    }

    /// Says that the message with this tag need not come again: soon, with others.
    pub(super) fn add(&self, tag: u64) {
        let waits = {
            let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.add(tag);
            if gathered.count() >= self.enough || self.closing.is_cancelled() {
                self.send(&gathered.answer());
                false
            } else {
                !std::mem::replace(&mut gathered.is_awaited, true)
            }
        };
        if waits {
            let acks = self.clone();
            self.tasks.spawn(async move {
                let closing = acks.closing.cancelled();
                let _waited_long_enough = tokio::time::timeout(PATIENCE, closing).await;
                let mut gathered = acks.gathered.lock().unwrap_or_else(PoisonError::into_inner);
                gathered.is_awaited = false;
                acks.send(&gathered.answer());
            });
        }
    }

    /// Hands it to the client, which sends it in order with all else. Whether it arrived is not asked: there is nothing to
    /// do about it, and on a connection that breaks just now the client may never answer.
    fn send(&self, answer: &Answer) {
        use futures_util::FutureExt as _;
        if let Some(tag) = answer.up_to {
            let options = BasicAckOptions { multiple: true };
            let _handed_over = self.channel.basic_ack(tag, options).now_or_never();
        }
        for tag in &answer.alone {
            let _handed_over = self
                .channel
                .basic_ack(*tag, BasicAckOptions::default())
                .now_or_never();
        }
    }
}

impl Default for Gathered {
    fn default() -> Self {
        Self {
            next: 1,
            last: None,
            in_turn: 0,
            early: BTreeSet::new(),
            alone: BTreeSet::new(),
            is_awaited: false,
        }
    }
}

impl Gathered {
    fn add(&mut self, tag: u64) {
        self.early.insert(tag);
        loop {
            if self.early.remove(&self.next) {
                self.last = Some(self.next);
                self.in_turn += 1;
            } else if !self.alone.remove(&self.next) {
                break;
            }
            self.next += 1;
        }
    }

    /// How many are done and not answered.
    fn count(&self) -> usize {
        self.in_turn + self.early.len()
    }

    /// All that is done and not answered, which counts as answered from now on.
    fn answer(&mut self) -> Answer {
        self.in_turn = 0;
        let up_to = self.last.take();
        let alone: Vec<u64> = std::mem::take(&mut self.early).into_iter().collect();
        self.alone.extend(&alone);
        Answer { up_to, alone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn those_in_turn_are_answered_together_and_those_out_of_turn_alone() {
        let mut gathered = Gathered::default();
        assert_eq!(gathered.answer(), Answer::default());
        for tag in [2, 1, 3, 6] {
            gathered.add(tag);
        }
        assert_eq!(gathered.count(), 4);
        let (up_to, alone) = (Some(3), vec![6]);
        assert_eq!(gathered.answer(), Answer { up_to, alone });
        assert_eq!(gathered.count(), 0);
        gathered.add(5);
        gathered.add(4);
        // Not 6, which was answered.
        let (up_to, alone) = (Some(5), vec![]);
        assert_eq!(gathered.answer(), Answer { up_to, alone });
    }

    /// What a broker does with answers (`rabbit_channel:collect_acks`): one for a message that is not out ends the channel.
    struct Broker {
        out: BTreeSet<u64>,
    }

    impl Broker {
        fn take(&mut self, answer: Answer) {
            if let Some(tag) = answer.up_to {
                assert!(self.out.contains(&tag), "unknown delivery tag {tag}");
                self.out.retain(|out| *out > tag);
            }
            for tag in answer.alone {
                assert!(self.out.remove(&tag), "unknown delivery tag {tag}");
            }
        }
    }

    proptest! {
        /// Whatever the order, and whenever it is answered: what was done is answered once, and nothing else is.
        #[test]
        fn all_that_is_done_is_answered_and_nothing_else(
            order in Just((1_u64..=40).collect::<Vec<_>>()).prop_shuffle(),
            done in 0_usize..=40,
            answers in proptest::collection::btree_set(0_usize..40, 0..20),
        ) {
            let mut gathered = Gathered::default();
            let mut broker = Broker { out: (1..=40).collect() };
            for (place, tag) in order.iter().take(done).enumerate() {
                gathered.add(*tag);
                if answers.contains(&place) {
                    broker.take(gathered.answer());
                    prop_assert_eq!(gathered.count(), 0);
                }
            }
            broker.take(gathered.answer());
            let expected: BTreeSet<u64> = order.into_iter().skip(done).collect();
            prop_assert_eq!(broker.out, expected);
        }
    }
}
