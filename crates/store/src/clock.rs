//! The ledger's clock.
//!
//! A lease is given by one host and looked at by others, whose clocks may be seconds apart: one that is ahead would take leases
//! from workers that are at work, and what they deliver would be delivered twice. So leases are measured by the one clock that all
//! of them share, which each process asks for now and then.

use crate::connect::Ledger;
use crate::{Error, Store, postgres};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use wire::Instant;

/// How long the question may take: the answer is off by half of that at the most.
const SLOW: Duration = Duration::from_secs(1);

/// How far this host's clock is behind the ledger's, in microseconds, as it was asked last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    /// What the ledger's clock shows when this host's shows `at`.
    pub(crate) fn at(&self, at: Instant) -> Instant {
        shifted(at, self.0.load(Ordering::Relaxed))
    }
}

fn shifted(at: Instant, micros: i64) -> Instant {
    let by = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { at - by } else { at + by }
}

/// How many microseconds `here` is behind what another clock said between `asked` and `here`.
fn behind(asked: Instant, there: Instant, here: Instant) -> i64 {
    let middle = asked + here.since(asked) / 2;
    let apart = |later: Instant, earlier: Instant| {
        i64::try_from(later.since(earlier).as_micros()).unwrap_or(i64::MAX)
    };
    if there >= middle {
        apart(there, middle)
    } else {
        -apart(middle, there)
    }
}

impl Store {
    /// The time by the ledger's clock, as it was asked for last: for leases, whoever holds them.
    pub fn now(&self) -> Instant {
        self.clock.at(Instant::now())
    }

    /// Asks the ledger for its time. Returns how far this host's clock is behind it, in microseconds; less than nothing when it
    /// is ahead. An answer that took long tells nothing, and is [`Error::Busy`].
    pub async fn set_clock(&self) -> Result<i64, Error> {
        let Ledger::Postgres(ledger) = &*self.ledger else {
            // There is one clock, and this is it.
            return Ok(0);
        };
        let (asked, there, here) = ledger
            .look_up(|conn| {
                let asked = Instant::now();
                let there = postgres::hot::clock(conn)?;
                Ok((asked, there, Instant::now()))
            })
            .await?;
        let took = here.since(asked);
        if took > SLOW {
            return Err(Error::Busy {
                waited_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            });
        }
        let behind = behind(asked, there, here);
        self.clock.0.store(behind, Ordering::Relaxed);
        Ok(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

    #[test]
    fn a_clock_is_compared_with_the_middle_of_the_question() {
        let later = |micros| AT + Duration::from_micros(micros);
        assert_eq!(behind(AT, later(50), later(100)), 0);
        assert_eq!(behind(AT, later(5_000_050), later(100)), 5_000_000);
        assert_eq!(behind(later(5_000_000), later(50), later(5_000_100)), -5_000_000);
    }

    #[test]
    fn time_is_told_by_the_other_clock() {
        let clock = Clock::default();
        for seconds in [-30_i64, 30] {
            clock.0.store(seconds * 1_000_000, Ordering::Relaxed);
            let here = Instant::now();
            let told = clock.at(here);
            let apart = if seconds < 0 {
                here.since(told)
            } else {
                told.since(here)
            };
            assert!(apart.as_secs().abs_diff(30) <= 1, "{apart:?}");
        }
    }
}
