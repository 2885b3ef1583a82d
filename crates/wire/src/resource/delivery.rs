//! How deliveries are made: what a workspace, an endpoint and a route each say of it, and what holds then.
//!
//! Each key stands for itself: the nearest level that says something of it decides, and where none does, the built-in
//! default. So an endpoint may have a schedule of its own and the workspace's timeout.

use super::{StatusPattern, duration};
use crate::RetryPolicy;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one level says; what it leaves out is for the level above.
///
/// `{"timeout": "20s", "retry": {"schedule": ["0s", "5s"]}, "final_statuses": [400, "5xx"]}`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliverySpec {
    /// From the dial to the end of the answer.
    #[serde(with = "duration::optional", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// When a failed delivery is tried again.
    #[serde(default, skip_serializing_if = "RetrySpec::is_empty")]
    pub retry: RetrySpec,
    /// The answers after which there is no other attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_statuses: Option<Vec<StatusPattern>>,
}

impl DeliverySpec {
    /// How long the first attempt waits, where this level says something of it.
    pub fn first_wait(&self) -> Option<Duration> {
        self.retry.schedule.as_ref()?.first().copied()
    }
}

/// What one level says of a [`RetryPolicy`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RetrySpec {
    /// The wait before each attempt.
    #[serde(
        with = "duration::optional_list",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub schedule: Option<Vec<Duration>>,
    /// How far each wait may be off, as a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
}

impl RetrySpec {
    fn is_empty(&self) -> bool {
        self.schedule.is_none() && self.jitter.is_none()
    }
}

/// Who says something of how deliveries are made; the later, the nearer to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nobody: it is built in.
    Default,
    /// The workspace.
    Workspace,
    /// The endpoint.
    Endpoint,
    /// The route.
    Route,
}

/// What holds, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ruled<T> {
    /// What holds.
    pub value: T,
    /// Who says so.
    pub from: Level,
}

/// How the deliveries of a route to an endpoint are made, with the origin of each key.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectivePolicy {
    /// The wait before each attempt.
    pub schedule: Ruled<Vec<Duration>>,
    /// How far each wait may be off, as a share.
    pub jitter: Ruled<f64>,
    /// From the dial to the end of the answer.
    pub timeout: Ruled<Duration>,
    /// The answers after which there is no other attempt.
    pub final_statuses: Ruled<Vec<StatusPattern>>,
}

/// How a delivery is made.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryPolicy {
    /// When it is tried again.
    pub retry: RetryPolicy,
    /// From the dial to the end of the answer.
    pub timeout: Duration,
    /// The answers after which there is no other attempt.
    pub final_statuses: Vec<StatusPattern>,
}

impl DeliveryPolicy {
    /// 15 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

    /// Whether an answer with this status ends a delivery, whatever is left of its schedule.
    pub fn is_final(&self, status: u16) -> bool {
        self.final_statuses.iter().any(|pattern| pattern.takes(status))
    }
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            timeout: Self::DEFAULT_TIMEOUT,
            final_statuses: Vec::new(),
        }
    }
}

impl EffectivePolicy {
    /// What holds when the workspace, the endpoint and, where a route made the delivery, the route have spoken.
    pub fn of(workspace: &DeliverySpec, endpoint: &DeliverySpec, route: Option<&DeliverySpec>) -> Self {
        let mut holds = Self::default();
        let levels = [
            (Level::Workspace, Some(workspace)),
            (Level::Endpoint, Some(endpoint)),
            (Level::Route, route),
        ];
        for (level, spec) in levels {
            let Some(spec) = spec else { continue };
            holds.schedule.say(level, spec.retry.schedule.as_ref());
            holds.jitter.say(level, spec.retry.jitter.as_ref());
            holds.timeout.say(level, spec.timeout.as_ref());
            holds.final_statuses.say(level, spec.final_statuses.as_ref());
        }
        holds
    }

    /// The same without the origins.
    pub fn into_policy(self) -> DeliveryPolicy {
        DeliveryPolicy {
            retry: RetryPolicy {
                schedule: self.schedule.value,
                jitter: self.jitter.value,
            },
            timeout: self.timeout.value,
            final_statuses: self.final_statuses.value,
        }
    }
}

impl Default for EffectivePolicy {
    /// What holds when nobody says anything.
    fn default() -> Self {
        let DeliveryPolicy {
            retry,
            timeout,
            final_statuses,
        } = DeliveryPolicy::default();
        Self {
            schedule: Ruled::built_in(retry.schedule),
            jitter: Ruled::built_in(retry.jitter),
            timeout: Ruled::built_in(timeout),
            final_statuses: Ruled::built_in(final_statuses),
        }
    }
}

impl<T> Ruled<T> {
    const fn built_in(value: T) -> Self {
        let from = Level::Default;
        Self { value, from }
    }
}

impl<T: Clone> Ruled<T> {
    fn say(&mut self, from: Level, said: Option<&T>) {
        if let Some(value) = said {
            let value = value.clone();
            *self = Self { value, from };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spec() -> impl Strategy<Value = DeliverySpec> {
        let schedule = proptest::option::of(proptest::collection::vec(0_u64..1_000, 1..4));
        let jitter = proptest::option::of(0.0_f64..0.5);
        let timeout = proptest::option::of(1_u64..60);
        let statuses = proptest::option::of(proptest::collection::vec(300_u16..600, 0..3));
        (schedule, jitter, timeout, statuses).prop_map(|(schedule, jitter, timeout, statuses)| DeliverySpec {
            timeout: timeout.map(Duration::from_secs),
            retry: RetrySpec {
                schedule: schedule.map(|waits| waits.into_iter().map(Duration::from_secs).collect()),
                jitter,
            },
            final_statuses: statuses.map(|codes| codes.into_iter().map(StatusPattern::Exact).collect()),
        })
    }

    /// The nearest of the levels that says something, the nearest last.
    fn nearest<T: Clone>(levels: [Option<&T>; 3], built_in: T) -> (T, Level) {
        let names = [Level::Workspace, Level::Endpoint, Level::Route];
        let said = levels.into_iter().zip(names).rev();
        let mut said = said.filter_map(|(said, name)| Some((said?.clone(), name)));
        said.next().unwrap_or((built_in, Level::Default))
    }

    proptest! {
        #[test]
        fn the_nearest_level_decides_key_by_key(
            workspace in spec(), endpoint in spec(), route in proptest::option::of(spec()),
        ) {
            let holds = EffectivePolicy::of(&workspace, &endpoint, route.as_ref());
            let route = route.unwrap_or_default();
            let levels = [&workspace, &endpoint, &route];
            let built_in = DeliveryPolicy::default();
            let of = |ruled: &Ruled<Duration>| (ruled.value, ruled.from);
            prop_assert_eq!(of(&holds.timeout), nearest(levels.map(|spec| spec.timeout.as_ref()), built_in.timeout));
            prop_assert_eq!(
                (holds.jitter.value, holds.jitter.from),
                nearest(levels.map(|spec| spec.retry.jitter.as_ref()), built_in.retry.jitter)
            );
            prop_assert_eq!(
                (holds.schedule.value.clone(), holds.schedule.from),
                nearest(levels.map(|spec| spec.retry.schedule.as_ref()), built_in.retry.schedule)
            );
            prop_assert_eq!(
                (holds.final_statuses.value.clone(), holds.final_statuses.from),
                nearest(levels.map(|spec| spec.final_statuses.as_ref()), Vec::new())
            );
            let policy = holds.clone().into_policy();
            prop_assert_eq!(
                (policy.timeout, policy.retry.schedule, policy.retry.jitter, policy.final_statuses),
                (holds.timeout.value, holds.schedule.value, holds.jitter.value, holds.final_statuses.value)
            );
        }

        #[test]
        fn what_a_level_says_is_read_as_it_was_written(spec in spec()) {
            let written = serde_json::to_string(&spec).unwrap();
            let read: DeliverySpec = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read, spec);
        }
    }

    #[test]
    fn what_a_level_does_not_say_is_not_written() {
        assert_eq!(serde_json::to_string(&DeliverySpec::default()).unwrap(), "{}");
        let spec: DeliverySpec =
            serde_json::from_str(r#"{"timeout":"15s","retry":{"schedule":["0s"],"jitter":0.2}}"#).unwrap();
        assert_eq!(
            (spec.timeout, spec.retry.schedule, spec.retry.jitter),
            (
                Some(Duration::from_secs(15)),
                Some(vec![Duration::ZERO]),
                Some(0.2)
            )
        );
    }
}
