//! How deliveries are made: what a thing itself says of it, and what holds when all have spoken.

use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use wire::resource::{
    DeliverySpec, EffectivePolicy, Level, OrderSpec, RetrySpec, Ruled, StatusPattern, duration,
};

/// What a workspace or a route says; null is left to the level above.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliverySettingsView {
    #[serde(serialize_with = "duration::optional::serialize")]
    timeout: Option<Duration>,
    retry: RetryView,
    final_statuses: Option<Vec<StatusPattern>>,
}

/// The same of a retry.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RetryView {
    #[serde(serialize_with = "duration::optional_list::serialize")]
    schedule: Option<Vec<Duration>>,
    jitter: Option<f64>,
}

impl DeliverySettingsView {
    pub(crate) fn of(spec: DeliverySpec) -> Self {
        Self {
            timeout: spec.timeout,
            retry: RetryView::of(spec.retry),
            final_statuses: spec.final_statuses,
        }
    }
}

impl RetryView {
    pub(crate) fn of(spec: RetrySpec) -> Self {
        Self {
            schedule: spec.schedule,
            jitter: spec.jitter,
        }
    }
}

/// What holds, each key with who says so.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyView {
    timeout: RuledView,
    retry: RetryRuled,
    final_statuses: RuledView,
}

#[derive(Debug, Clone, Serialize)]
struct RetryRuled {
    schedule: RuledView,
    jitter: RuledView,
}

#[derive(Debug, Clone, Serialize)]
struct RuledView {
    value: Value,
    from: Level,
}

impl PolicyView {
    pub(crate) fn of(policy: &EffectivePolicy) -> Self {
        let waits: Value = policy
            .schedule
            .value
            .iter()
            .copied()
            .map(duration::show)
            .collect();
        Self {
            timeout: RuledView {
                value: duration::show(policy.timeout.value).into(),
                from: policy.timeout.from,
            },
            retry: RetryRuled {
                schedule: RuledView {
                    value: waits,
                    from: policy.schedule.from,
                },
                jitter: RuledView {
                    value: policy.jitter.value.into(),
                    from: policy.jitter.from,
                },
            },
            final_statuses: RuledView::statuses(&policy.final_statuses),
        }
    }
}

impl RuledView {
    fn statuses(ruled: &Ruled<Vec<StatusPattern>>) -> Self {
        let shown = ruled.value.iter().map(|status| match status {
            StatusPattern::Exact(code) => Value::from(*code),
            StatusPattern::Class(_) => Value::from(status.to_string()),
        });
        Self {
            value: shown.collect(),
            from: ruled.from,
        }
    }
}

/// Whether an endpoint's deliveries go one after the other, as it is written.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum OrderedView {
    /// All of them, or none.
    Plain(bool),
    /// Those whose bodies yield the same.
    By {
        /// The jq program.
        by: String,
    },
    /// Those that came with the same header.
    Header {
        /// Its name.
        header: String,
    },
}

impl OrderedView {
    pub(crate) fn of(spec: Option<OrderSpec>) -> Self {
        match spec {
            None => Self::Plain(false),
            Some(OrderSpec::All) => Self::Plain(true),
            Some(OrderSpec::By(by)) => Self::By { by },
            Some(OrderSpec::Header(header)) => Self::Header { header },
        }
    }
}
