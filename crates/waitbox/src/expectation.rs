//! What a run waits for, as a row of the waitbox has it.

use crate::digest::{Digest, Shape};
use playbook::ListenRequest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one filter of one `listen` waits for.
///
/// ```json
/// {"type": "order.paid", "source": "stripe", "data": ".amount > 100", "correlate": [[".data.order", 7]]}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The exact type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The slug of the source, or the `source` of an emitted event; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A jq expression over the event's data that must be true; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// jq expressions over the event's envelope, and what each must yield.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub correlate: Vec<(String, Value)>,
}

impl Expectation {
    /// What an event must be asked to know its correlation.
    pub fn shape(&self) -> Shape {
        Shape::of(self.correlate.iter().map(|(expression, _)| expression.clone()))
    }

    /// The digest of what an event must yield.
    pub fn correlation(&self) -> Digest {
        Digest::of_values(
            self.correlate
                .iter()
                .map(|(expression, value)| (expression.as_str(), value)),
        )
    }

    /// Whether an event from this source can be it.
    pub fn takes_source(&self, source: Option<&str>) -> bool {
        self.source
            .as_deref()
            .is_none_or(|expected| source == Some(expected))
    }
}

/// A row of the waitbox, without the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// Which of the effect's filters.
    pub filter: usize,
    /// The exact type.
    pub event_type: String,
    /// The digest of what an event is asked.
    pub shape: Digest,
    /// The digest of what it must yield.
    pub correlation: Digest,
    /// The whole of it.
    pub expectation: Expectation,
    /// Whether the first message ends the listen as a whole.
    pub is_any: bool,
    /// Whether other runs and the routes see the event too.
    pub is_broadcast: bool,
}

/// The rows of a `listen` that was issued. They replace all that its effect had before.
pub fn waits_of(request: &ListenRequest) -> Vec<Wait> {
    let wait = |(filter, awaited): &(usize, playbook::Awaited)| {
        let expectation = Expectation {
            event_type: awaited.event_type.clone(),
            source: awaited.source.clone(),
            data: awaited.data.clone(),
            correlate: awaited.correlate.clone(),
        };
        Wait {
            filter: *filter,
            event_type: expectation.event_type.clone(),
            shape: expectation.shape().digest().clone(),
            correlation: expectation.correlation(),
            expectation,
            is_any: request.is_any,
            is_broadcast: request.broadcast,
        }
    };
    request.filters.iter().map(wait).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use playbook::Awaited;
    use serde_json::json;

    #[test]
    fn each_filter_of_a_listen_is_a_wait_with_the_digests_of_its_correlation() {
        let awaited = |order: i32| Awaited {
            event_type: "order.paid".to_owned(),
            source: Some("shop".to_owned()),
            data: None,
            correlate: vec![(".data.order".to_owned(), json!(order))],
        };
        let request = ListenRequest {
            filters: vec![(0, awaited(7)), (2, awaited(8))],
            is_any: true,
            broadcast: false,
        };
        let waits = waits_of(&request);
        assert_eq!(waits.iter().map(|wait| wait.filter).collect::<Vec<_>>(), [0, 2]);
        assert!(waits.iter().all(|wait| wait.is_any && !wait.is_broadcast));
        assert_eq!(
            waits[0].shape, waits[1].shape,
            "they differ in what is expected alone"
        );
        assert_ne!(waits[0].correlation, waits[1].correlation);
        assert_eq!(
            serde_json::to_value(&waits[0].expectation).unwrap(),
            json!({"type": "order.paid", "source": "shop", "correlate": [[".data.order", 7]]})
        );
    }

    #[test]
    fn what_correlates_with_nothing_has_empty_digests() {
        let expectation: Expectation = serde_json::from_value(json!({"type": "a"})).unwrap();
        assert!(expectation.correlation().is_empty() && expectation.shape().digest().is_empty());
        assert!(expectation.takes_source(None) && expectation.takes_source(Some("any")));
    }
}
