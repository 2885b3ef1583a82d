//! How much is told of one endpoint: an outage fails thousands of deliveries, and telling of each would double the load.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use wire::{EndpointId, Instant};

/// Events about an endpoint's deliveries in a minute, from one worker.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_mins(1);

/// Endpoints that are remembered. Past it, those whose minute is over are forgotten, and with them what was not told.
const CAPACITY: usize = 20_000;

/// Counts what is told. One per worker.
#[derive(Debug, Default)]
pub(crate) struct Quota(Mutex<HashMap<EndpointId, Told>>);

#[derive(Debug)]
struct Told {
    since: Instant,
    count: u32,
    untold: u64,
}

impl Quota {
    /// Whether one more may be told of `endpoint` at `now`: then, how many were not since the last one.
    pub(crate) fn admit(&self, endpoint: &EndpointId, now: Instant) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CAPACITY && !all.contains_key(endpoint) {
            all.retain(|_, told| now.since(told.since) < WINDOW);
        }
        if all.len() >= CAPACITY && !all.contains_key(endpoint) {
            return None;
        }
        let told = all.entry(endpoint.clone()).or_insert(Told {
            since: now,
            count: 0,
            untold: 0,
        });
        if now.since(told.since) >= WINDOW {
            told.since = now;
            told.count = 0;
        }
        if told.count >= MOST {
            told.untold += 1;
            return None;
        }
        told.count += 1;
        Some(std::mem::take(&mut told.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_unix_micros(1_800_000_000_000_000);

    #[test]
    fn ten_are_told_of_an_endpoint_in_a_minute_and_the_next_says_how_many_were_not() {
        let quota = Quota::default();
        let one = EndpointId::from_stored("ep_one");
        let told: Vec<_> = (0..25).map(|_| quota.admit(&one, NOW)).collect();
        assert_eq!(told.iter().flatten().count(), 10);
        assert!(told.iter().take(10).all(|untold| *untold == Some(0)));
        assert_eq!(quota.admit(&EndpointId::from_stored("ep_two"), NOW), Some(0));
        assert_eq!(quota.admit(&one, NOW + Duration::from_secs(59)), None);
        assert_eq!(quota.admit(&one, NOW + WINDOW), Some(16));
        assert_eq!(quota.admit(&one, NOW + WINDOW), Some(0));
    }

    #[test]
    fn more_endpoints_than_are_remembered_cost_no_more_memory() {
        let quota = Quota::default();
        for number in 0..CAPACITY {
            quota.admit(&EndpointId::from_stored(format!("ep_{number}")), NOW);
        }
        let another = EndpointId::from_stored("ep_another");
        assert_eq!(quota.admit(&another, NOW), None);
        assert_eq!(quota.admit(&another, NOW + WINDOW), Some(0));
        assert_eq!(quota.0.lock().unwrap().len(), 1);
    }
}
