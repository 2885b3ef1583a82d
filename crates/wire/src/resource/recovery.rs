//! Recoveries: which deliveries are sent again, and how fast.

use crate::{DeliveryState, EndpointId, EventTypePattern, Instant};
use serde::{Deserialize, Serialize};

/// A saved filter over deliveries that failed, and a pace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySpec {
    /// Only those to this endpoint.
    #[serde(default)]
    pub endpoint: Option<EndpointId>,
    /// Those in any of these states: `dead_letter`, `failed` or both.
    pub states: Vec<DeliveryState>,
    /// Only those whose last attempt failed so.
    #[serde(default)]
    pub error_kind: Option<String>,
    /// Only those whose event's type matches.
    #[serde(default)]
    pub event_type: Option<EventTypePattern>,
    /// Only those of events that came at this time or later.
    #[serde(default)]
    pub from: Option<Instant>,
    /// Only those of events that came before this time.
    #[serde(default)]
    pub until: Option<Instant>,
    /// How many are sent again in a second at the most.
    pub per_second: u32,
}

impl RecoverySpec {
    /// Whether a delivery is one of those; the range of times is the ids'.
    pub fn matches(
        &self,
        endpoint: &EndpointId,
        state: DeliveryState,
        error_kind: Option<&str>,
        event_type: Option<&str>,
    ) -> bool {
        self.endpoint.as_ref().is_none_or(|only| only == endpoint)
            && self.states.contains(&state)
            && self
                .error_kind
                .as_deref()
                .is_none_or(|only| error_kind == Some(only))
            && self
                .event_type
                .as_ref()
                .is_none_or(|pattern| pattern.matches(event_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_filter_must_hold() {
        let all = RecoverySpec {
            endpoint: None,
            states: vec![DeliveryState::DeadLetter],
            error_kind: None,
            event_type: None,
            from: None,
            until: None,
            per_second: 1,
        };
        let (here, there) = (EndpointId::from_stored("ep_a"), EndpointId::from_stored("ep_b"));
        let dead = DeliveryState::DeadLetter;
        assert!(all.matches(&here, dead, None, None));
        assert!(!all.matches(&here, DeliveryState::Failed, None, None));
        let narrow = RecoverySpec {
            endpoint: Some(here.clone()),
            error_kind: Some("timeout".to_owned()),
            event_type: Some("payment.*".parse().unwrap()),
            ..all
        };
        assert!(narrow.matches(&here, dead, Some("timeout"), Some("payment.failed")));
        assert!(!narrow.matches(&there, dead, Some("timeout"), Some("payment.failed")));
        assert!(!narrow.matches(&here, dead, Some("dns"), Some("payment.failed")));
        assert!(!narrow.matches(&here, dead, None, Some("payment.failed")));
        assert!(!narrow.matches(&here, dead, Some("timeout"), None));
    }
}
