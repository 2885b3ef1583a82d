//! The circuit of an endpoint: how much of its deliveries may be attempted at once, judged by what came of those before.
//!
//! # Motivation
//!
//! A receiver that is down answers no attempt, and each one that is made all the same uses up a delivery's schedule and
//! a slot that a healthy receiver could have. One that is merely too busy is helped by fewer requests at a time.
//!
//! # Theory of operation
//!
//! - **Closed**: everything goes. A timeout, a 429 or a 5xx halves what may be in flight, at most once for the attempts
//!   that were under way together; as many successes as may be in flight let one more in.
//! - **Open**, after ten failures in a row or 70 % of at least ten in a minute: nothing goes but one probe at a time,
//!   after pauses that double from 15 s to 10 min, each ±20 %, and not before the receiver asked for it (`Retry-After`, an hour at
//!   the most). Only a probe's end counts here: what was on its way to other
//!   workers when it opened is no test of what the receiver is like a pause later.
//! - **Half open**, after a probe that succeeded: one in flight, then 2, 4 and so on, and closed when that reaches what the
//!   endpoint allows. Failures at its beginning open it again.
//!
//! What an attempt that began before the circuit last changed came to says nothing of what the receiver is like since,
//! so it moves nothing. A minute is counted from a failure on: successes before the first failure of a minute are not
//! counted, so that an endpoint without failures has nothing to keep.
//!
//! Pure: the time and the lots are parameters.

use crate::{Instant, RetryPolicy};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Failures in a row that open the circuit.
const IN_A_ROW: u32 = 10;

/// The least attempts in a minute of which a share opens the circuit.
const OF_AT_LEAST: u32 = 10;

/// That share, in tenths.
const TENTHS: u64 = 7;

/// How long attempts are counted together.
const WINDOW: Duration = Duration::from_mins(1);

/// The pause before the first probe; it doubles with each that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(15);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// How far a pause is off its length at the most, so that receivers behind one fault are not probed to one beat.
const JITTER: f64 = 0.2;

/// Failures in a row that open a half-open circuit again, once several may be in flight.
const RELAPSE: u32 = 3;

/// An endpoint whose every attempt fails for so long is given up.
const PATIENCE: Duration = Duration::from_hours(5 * 24);

/// How long a delivery waits at an open circuit at the most.
pub const LONGEST_WAIT: Duration = Duration::from_hours(72);

/// Whether deliveries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// They go.
    #[default]
    Closed,
    /// They wait, and a probe goes now and then.
    Open,
    /// They are let in again, little by little.
    HalfOpen,
}

impl CircuitState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What is remembered of an endpoint's attempts. Its default is that of an endpoint without failures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Circuit {
    /// Whether deliveries go.
    pub state: CircuitState,
    /// When it opened; while it is half open, too.
    pub opened_at: Option<Instant>,
    /// Since when deliveries wait here, at the most [`LONGEST_WAIT`]: as `opened_at`, unless an operator let them go since.
    pub waits_since: Option<Instant>,
    /// When the next probe may go.
    pub probe_at: Option<Instant>,
    /// How many attempts may be in flight; none: as many as the endpoint allows.
    pub limit: Option<u32>,
    /// Since when every attempt fails.
    pub failing_since: Option<Instant>,
    /// Failures since the last success.
    pub in_a_row: u32,
    /// When it last opened, was probed in vain, or half opened. Attempts that began before say nothing.
    changed_at: Option<Instant>,
    /// Probes in a row that failed.
    failed_probes: u32,
    /// When the limit was last halved.
    halved_at: Option<Instant>,
    /// Successes since the limit last changed.
    successes: u32,
    /// The minute's first failure.
    window_from: Option<Instant>,
    attempts: u32,
    failures: u32,
}

/// What an attempt came to, as far as its endpoint's circuit depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// When it began.
    pub began_at: Instant,
    /// When it ended.
    pub ended_at: Instant,
    /// How.
    pub result: Answered,
    /// Whether it was made to test the open circuit.
    pub is_probe: bool,
    /// How many attempts the endpoint allows in flight.
    pub ceiling: u32,
    /// For how long the receiver asked to be left alone.
    pub asked: Option<Duration>,
}

/// How an attempt ended for its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// With a success.
    Well,
    /// With a failure that fewer requests would not have helped.
    Badly,
    /// With a timeout, a 429 or a 5xx: there may be too many at a time.
    Overloaded,
}

/// A change that somebody wants to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing to tell.
    None,
    /// The circuit opened, and had been closed.
    Opened,
    /// The circuit closed.
    Recovered {
        /// And had been open since then.
        opened_at: Instant,
    },
    /// Every attempt has failed for five days.
    GivenUp,
}

impl Circuit {
    /// Whether all deliveries go, as if there were no circuit.
    pub fn is_free(&self) -> bool {
        self.state == CircuitState::Closed && self.limit.is_none()
    }

    /// Whether there is nothing to remember.
    pub fn is_pristine(&self) -> bool {
        *self == Self::default()
    }

    /// Lets a probe go at once and the rest after it, whatever was before.
    pub fn try_again(&mut self, now: Instant) {
        let opened_at = self.opened_at.unwrap_or(now);
        *self = Self::default();
        self.state = CircuitState::HalfOpen;
        self.opened_at = Some(opened_at);
        self.waits_since = Some(now);
        self.changed_at = Some(now);
        self.limit = Some(1);
    }

    /// Lets what a closed circuit holds back go on little by little: nothing was wrong with the endpoint, so there is nothing to
    /// test.
    pub fn ease_in(&mut self, now: Instant) {
        *self = Self::default();
        self.changed_at = Some(now);
        self.limit = Some(1);
    }

    /// Takes an attempt's end in. `random` is uniform in `0.0..1.0`.
    pub fn observe(&mut self, observed: Observed, random: f64) -> Turn {
        let turn = match observed.result {
            Answered::Well => self.succeed(observed),
            Answered::Badly | Answered::Overloaded => self.fail(observed, random),
        };
        if self.state == CircuitState::Closed && self.limit.is_none() && self.in_a_row == 0 {
            self.forget_window(observed.ended_at);
        }
        turn
    }

    fn succeed(&mut self, observed: Observed) -> Turn {
        self.in_a_row = 0;
        self.failing_since = None;
        match self.state {
            CircuitState::Closed => {
                self.count(false, observed.ended_at);
                self.grow(observed.ceiling, 1);
                Turn::None
            }
            CircuitState::Open => {
                if observed.is_probe && self.is_recent(observed) {
                    self.half_open(observed.ended_at);
                    return self.close_at(observed.ceiling);
                }
                Turn::None
            }
            CircuitState::HalfOpen => {
                if !self.is_recent(observed) {
                    return Turn::None;
                }
                self.count(false, observed.ended_at);
                let limit = self.limit.unwrap_or(1);
                self.grow(observed.ceiling, limit);
                self.close_at(observed.ceiling)
            }
        }
    }

    fn fail(&mut self, observed: Observed, random: f64) -> Turn {
        let at = observed.ended_at;
        let since = *self.failing_since.get_or_insert(at);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let turn = match self.state {
            CircuitState::Closed => {
                self.count(true, at);
                if self.in_a_row >= IN_A_ROW || self.is_mostly_failing() {
                    self.opened_at = Some(at);
                    self.waits_since = Some(at);
                    self.failed_probes = 0;
                    self.open(observed, random);
                    Turn::Opened
                } else {
                    self.halve(observed);
                    Turn::None
                }
            }
            CircuitState::Open => {
                if observed.is_probe && self.is_recent(observed) {
                    self.failed_probes = self.failed_probes.saturating_add(1);
                    self.open(observed, random);
                }
                Turn::None
            }
            CircuitState::HalfOpen => {
                if self.is_recent(observed) {
                    self.count(true, at);
                    let enough = self.limit.unwrap_or(1).min(RELAPSE);
                    if self.in_a_row >= enough || self.is_mostly_failing() {
                        self.failed_probes = self.failed_probes.saturating_add(1);
                        self.open(observed, random);
                    } else {
                        self.halve(observed);
                    }
                }
                Turn::None
            }
        };
        if self.in_a_row >= IN_A_ROW && at.since(since) >= PATIENCE {
            return Turn::GivenUp;
        }
        turn
    }

    fn open(&mut self, observed: Observed, random: f64) {
        let at = observed.ended_at;
        let asked = observed.asked.unwrap_or_default();
        let pause = pause(self.failed_probes, random).max(asked.min(RetryPolicy::LONGEST_RETRY_AFTER));
        self.state = CircuitState::Open;
        self.changed_at = Some(at);
        self.probe_at = Some(at + pause);
        self.limit = Some(1);
        self.successes = 0;
        self.halved_at = None;
        self.end_window();
    }

    fn half_open(&mut self, at: Instant) {
        self.state = CircuitState::HalfOpen;
        self.changed_at = Some(at);
        self.probe_at = None;
        self.limit = Some(1);
        self.successes = 0;
        self.end_window();
    }

    /// Closes when as many are let in as the endpoint allows.
    fn close_at(&mut self, ceiling: u32) -> Turn {
        if self.limit.is_some_and(|limit| limit < ceiling.max(1)) {
            return Turn::None;
        }
        match std::mem::take(self).opened_at {
            Some(opened_at) => Turn::Recovered { opened_at },
            None => Turn::None,
        }
    }

    /// Lets `more` in after as many successes as may be in flight.
    fn grow(&mut self, ceiling: u32, more: u32) {
        let Some(limit) = self.limit else { return };
        self.successes = self.successes.saturating_add(1);
        if self.successes < limit {
            return;
        }
        self.successes = 0;
        let grown = limit.saturating_add(more).min(ceiling.max(1));
        self.limit = (self.state == CircuitState::HalfOpen || grown < ceiling).then_some(grown);
        if self.limit.is_none() {
            self.halved_at = None;
        }
    }

    fn halve(&mut self, observed: Observed) {
        self.successes = 0;
        // What was under way when it was halved says nothing of the half.
        let is_of_before = self.halved_at.is_some_and(|halved| observed.began_at < halved);
        if observed.result != Answered::Overloaded || is_of_before {
            return;
        }
        let limit = self.limit.unwrap_or(observed.ceiling).min(observed.ceiling);
        let half = (limit / 2).max(1);
        if half < observed.ceiling {
            self.limit = Some(half);
            self.halved_at = Some(observed.ended_at);
        }
    }

    fn is_recent(&self, observed: Observed) -> bool {
        self.changed_at.is_none_or(|changed| observed.began_at >= changed)
    }

    fn count(&mut self, failed: bool, at: Instant) {
        let is_over = |from: Instant| at.since(from) >= WINDOW;
        if self.window_from.is_some_and(is_over) {
            self.end_window();
        }
        if failed {
            self.window_from.get_or_insert(at);
        }
        if self.window_from.is_some() {
            self.attempts = self.attempts.saturating_add(1);
            self.failures = self.failures.saturating_add(u32::from(failed));
        }
    }

    fn is_mostly_failing(&self) -> bool {
        self.attempts >= OF_AT_LEAST && u64::from(self.failures) * 10 >= u64::from(self.attempts) * TENTHS
    }

    fn end_window(&mut self) {
        self.window_from = None;
        self.attempts = 0;
        self.failures = 0;
    }

    /// So that a healthy endpoint has nothing to remember.
    fn forget_window(&mut self, now: Instant) {
        if self.window_from.is_none_or(|from| now.since(from) >= WINDOW) {
            *self = Self::default();
        }
    }
}

/// The pause after so many probes that failed.
fn pause(failed_probes: u32, random: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failed_probes.min(16)));
    let factor = 1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0);
    doubled.min(LONGEST_PAUSE).mul_f64(factor)
}

#[cfg(test)]
mod tests;
