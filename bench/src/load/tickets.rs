//! Whose turn it is, and when it was due.

use super::schedule::Schedule;
use super::{Extent, Load, Pace};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

/// One request to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) number: u64,
    pub(super) due: Instant,
}

/// Issues the tickets of one load.
#[derive(Debug)]
pub(super) struct Tickets {
    next: AtomicU64,
    /// So many there are.
    count: u64,
    end: Instant,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    Any,
    /// Each takes a permit; whoever sees the effect gives it back.
    Permit(Arc<Semaphore>),
    /// Each takes a permit, which the pacer issues when it is due.
    Due(Schedule, Arc<Semaphore>),
}

/// Longer than any load: the loads that end by count have no time.
const NO_END: Duration = Duration::from_hours(24);

impl Tickets {
    /// Begins to issue them.
    pub(super) fn begin(load: &Load, started: Instant) -> Self {
        let (mut count, mut end) = match load.extent {
            Extent::Time(time) => (u64::MAX, started + time),
            Extent::Count(count) => (count, started + NO_END),
        };
        let turn = match &load.pace {
            Pace::Closed => Turn::Any,
            Pace::Windowed(window) => Turn::Permit(Arc::clone(window)),
            Pace::Open(per_second) => {
                let schedule = Schedule::new(started, *per_second);
                if let Extent::Time(time) = load.extent {
                    count = schedule.count(time);
                }
                // What was due is sent, however late: else the worst would be missing.
                end = started + NO_END;
                let due = Arc::new(Semaphore::new(0));
                pace(schedule, count, Arc::clone(&due), load.connections);
                Turn::Due(schedule, due)
            }
        };
        Self {
            next: AtomicU64::new(0),
            count,
            end,
            turn,
        }
    }

    /// The next; none after the last. Waits until it is due.
    pub(super) async fn take(&self) -> Option<Ticket> {
        match &self.turn {
            Turn::Any => {}
            Turn::Permit(permits) | Turn::Due(_, permits) => {
                let permit = timeout_at(self.end.into(), permits.acquire()).await;
                permit.ok()?.ok()?.forget();
            }
        }
        let now = Instant::now();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.count || now >= self.end {
            return None;
        }
        let due = match &self.turn {
            Turn::Any | Turn::Permit(_) => now,
            Turn::Due(schedule, _) => schedule.due(number),
        };
        Some(Ticket { number, due })
    }

    /// Whoever gives permits back will not see the effect of a request that was refused.
    pub(super) fn give_back(&self) {
        if let Turn::Permit(window) = &self.turn {
            window.add_permits(1);
        }
    }
}

/// Issues permits by the schedule, from a thread of its own: the runtime's timer is as coarse as the latencies measured.
fn pace(schedule: Schedule, count: u64, permits: Arc<Semaphore>, connections: usize) {
    std::thread::spawn(move || {
        let mut issued = 0;
        while issued < count {
            let due = schedule.due_by(Instant::now()).min(count);
            // At most a few thousand: the rate times what the thread slept too long.
            permits.add_permits(usize::try_from(due - issued).unwrap_or(0));
            issued = due;
            std::thread::sleep(schedule.due(issued).saturating_duration_since(Instant::now()));
        }
        // Every connection still waits for one: this one says that there are no more.
        permits.add_permits(connections);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(load: &Load) -> Vec<Ticket> {
        let tickets = Tickets::begin(load, Instant::now());
        let mut taken = Vec::new();
        while let Some(ticket) = tickets.take().await {
            taken.push(ticket);
        }
        taken
    }

    #[tokio::test]
    async fn a_count_is_issued_once_each() {
        let load = Load {
            connections: 1,
            pace: Pace::Closed,
            extent: Extent::Count(3),
        };
        let numbers: Vec<u64> = all(&load).await.iter().map(|ticket| ticket.number).collect();
        assert_eq!(numbers, [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_window_issues_as_many_as_it_has_permits() {
        let window = Arc::new(Semaphore::new(5));
        let load = Load {
            connections: 1,
            pace: Pace::Windowed(Arc::clone(&window)),
            extent: Extent::Time(Duration::from_millis(50)),
        };
        assert_eq!(all(&load).await.len(), 5);
        assert_eq!(window.available_permits(), 0);
        Tickets::begin(&load, Instant::now()).give_back();
        assert_eq!(window.available_permits(), 1);
    }

    #[tokio::test]
    async fn an_open_loop_issues_what_is_due_however_late_it_is_taken() {
        let load = Load {
            connections: 1,
            pace: Pace::Open(1_000),
            extent: Extent::Time(Duration::from_millis(20)),
        };
        let started = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let tickets = Tickets::begin(&load, started);
        let mut due = Vec::new();
        while let Some(ticket) = tickets.take().await {
            due.push(ticket.due - started);
        }
        let expected: Vec<Duration> = (0..20).map(Duration::from_millis).collect();
        assert_eq!(due, expected);
    }
}
