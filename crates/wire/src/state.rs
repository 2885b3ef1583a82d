//! The states of what is recorded, with the same word in tables, answers and docs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A text that names no state of this thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not one of {known}")]
pub struct UnknownState {
    /// What was given.
    pub found: String,
    /// The states there are, comma-separated.
    pub known: &'static str,
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident, $known:literal { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every state, in the order of life.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownState;

            fn try_from(text: String) -> Result<Self, UnknownState> {
                text.parse()
            }
        }

        impl FromStr for $name {
            type Err = UnknownState;

            fn from_str(text: &str) -> Result<Self, UnknownState> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownState { found: text.to_owned(), known: $known }),
                }
            }
        }
    };
}

states!(
    /// Where an event is on its path.
    EventState, "accepted, routed, quarantined" {
        /// Recorded; no route has been tried yet.
        Accepted = "accepted",
        /// Every route was tried; what came of it is in the decision trace.
        Routed = "routed",
        /// Routing failed again and again; an operator must look.
        Quarantined = "quarantined",
    }
);

states!(
    /// Where a delivery is on its path.
    DeliveryState, "pending, delivering, scheduled_retry, delivered, dead_letter, failed, skipped" {
        /// Waits for its first attempt.
        Pending = "pending",
        /// A worker holds a lease on it.
        Delivering = "delivering",
        /// An attempt failed; the next one has a time.
        ScheduledRetry = "scheduled_retry",
        /// A receiver answered 2xx.
        Delivered = "delivered",
        /// Every attempt of the schedule failed.
        DeadLetter = "dead_letter",
        /// Given up without using every attempt.
        Failed = "failed",
        /// Never tried, for a reason.
        Skipped = "skipped",
    }
);

states!(
    /// How a step of a run ended.
    StepState, "completed, skipped, faulted, cancelled" {
        /// As it should.
        Completed = "completed",
        /// Its condition was false.
        Skipped = "skipped",
        /// With an error.
        Faulted = "faulted",
        /// Given up: a sibling won or failed, time ran out, or an operator ended the run.
        Cancelled = "cancelled",
    }
);

impl RunState {
    /// The states that are no end.
    pub const UNFINISHED: [Self; 4] = [Self::Pending, Self::Running, Self::Waiting, Self::Paused];

    /// Nothing happens to it any more unless an operator asks.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Faulted | Self::Cancelled)
    }
}

impl DeliveryState {
    /// Nothing happens to it any more unless an operator asks.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::DeadLetter | Self::Failed | Self::Skipped
        )
    }
}

states!(
    /// Where a run is on its path.
    RunState, "pending, running, waiting, paused, completed, faulted, cancelled" {
        /// Recorded; no runner has taken it.
        Pending = "pending",
        /// A runner holds it.
        Running = "running",
        /// Only timers or events can move it.
        Waiting = "waiting",
        /// An operator holds it.
        Paused = "paused",
        /// Came to its end.
        Completed = "completed",
        /// Stopped at an error nobody caught.
        Faulted = "faulted",
        /// Ended by an operator.
        Cancelled = "cancelled",
    }
);

states!(
    /// What started a run.
    Trigger, "route, webhook, hook, api, app, manual" {
        /// A route took an event.
        Route = "route",
        /// Door 2.
        Webhook = "webhook",
        /// Door 6.
        Hook = "hook",
        /// Door 7.
        Api = "api",
        /// A message at door 5 that nothing else took.
        App = "app",
        /// An operator, over the management API.
        Manual = "manual",
    }
);

states!(
    /// A door that keeps what it refuses.
    Door, "channel, token, app" {
        /// Door 1.
        Channel = "channel",
        /// Door 4.
        Token = "token",
        /// Door 5.
        App = "app",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_word() {
        for state in DeliveryState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
            assert_eq!(serde_json::to_string(state).unwrap(), format!("\"{state}\""));
        }
        for state in EventState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        assert!("lost".parse::<DeliveryState>().is_err());
    }
}
