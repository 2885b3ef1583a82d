//! Rate limits of API keys and of workspaces, each gateway by itself.

use crate::problem::Problem;
use crate::sources::REMEMBERED;
use actix_web::HttpResponseBuilder;
use broker::Generation;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::future::Cache;
use moka::sync::Cache as SyncCache;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use store::{ApiKey, Store};
use wire::WorkspaceId;
use wire::resource::RateLimit;

/// A limiter is forgotten when nobody asked for it for so long; by then it is full again, unless it is very slow.
const IDLE: Duration = Duration::from_hours(1);

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Whose limit, and what it is: another limit is another limiter.
type Owner = (Arc<str>, u64, Option<u32>);

#[derive(Debug, Clone)]
pub(crate) struct Limits {
    store: Store,
    generation: Generation,
    workspaces: Cache<(u64, WorkspaceId), Option<RateLimit>>,
    limiters: SyncCache<Owner, Arc<Limiter>>,
}

/// How much of a limit is left, for the headers of draft-ietf-httpapi-ratelimit-headers-10.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Allowance {
    /// What may go at once after a pause.
    burst: u32,
    /// How long the burst takes to come back, in whole seconds, at least 1.
    window_seconds: u64,
    /// What may go at once now.
    remaining: u32,
    /// Until the next may go, in whole seconds; 0 when one may go now.
    wait_seconds: u64,
}

impl Allowance {
    /// The most that pass at once.
    pub(crate) fn burst(self) -> u32 {
        self.burst
    }

    /// Adds `RateLimit-Policy` and `RateLimit` to an answer.
    pub(crate) fn show(self, response: &mut HttpResponseBuilder) {
        let policy = format!("\"key\";q={};w={}", self.burst, self.window_seconds);
        let left = format!("\"key\";r={};t={}", self.remaining, self.wait_seconds);
        response.insert_header(("RateLimit-Policy", policy));
        response.insert_header(("RateLimit", left));
    }
}

impl Limits {
    pub(crate) fn new(store: Store, generation: Generation, ttl: Duration) -> Self {
        Self {
            store,
            generation,
            workspaces: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
            limiters: SyncCache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(IDLE)
                .build(),
        }
    }

    /// Counts a request against its workspace's limit.
    pub(crate) async fn admit(&self, workspace: &WorkspaceId) -> Result<(), Problem> {
        let read = async {
            let found = self.store.workspace(workspace.as_str()).await?;
            Ok(found.and_then(|workspace| workspace.spec.rate_limit))
        };
        let limit = self
            .workspaces
            .try_get_with((self.generation.now(), workspace.clone()), read)
            .await
            .map_err(|error: Arc<store::Error>| crate::doors::lookup_failed(&error))?;
        match limit {
            Some(limit) => self.take(workspace.as_str(), limit, 1).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Counts `requests` against a key's limit, if it has one.
    pub(crate) fn spend(&self, key: &ApiKey, requests: u32) -> Result<Option<Allowance>, Problem> {
        key.spec
            .rate_limit
            .map(|limit| self.take(key.id.as_str(), limit, requests))
            .transpose()
    }

    fn take(&self, owner: &str, limit: RateLimit, requests: u32) -> Result<Allowance, Problem> {
        let (quota, burst) = quota(limit);
        let owner: Owner = (owner.into(), limit.per_second.to_bits(), limit.burst);
        let limiter = self.limiters.get_with(owner, || {
            Arc::new(RateLimiter::direct(quota).with_middleware::<StateInformationMiddleware>())
        });
        let refill = quota.replenish_interval();
        let allowance = |remaining: u32, wait: Duration| Allowance {
            burst: burst.get(),
            window_seconds: whole_seconds(refill.saturating_mul(burst.get())).max(1),
            remaining,
            wait_seconds: whole_seconds(wait),
        };
        // More than a burst would never pass.
        let wanted = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN).min(burst);
        match limiter.check_n(wanted) {
            Ok(Ok(state)) => {
                let remaining = state.remaining_burst_capacity();
                let wait = if remaining == 0 { refill } else { Duration::ZERO };
                Ok(allowance(remaining, wait))
            }
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                Err(Problem::RateLimited(allowance(0, wait)))
            }
            Err(_never) => Err(Problem::RateLimited(allowance(0, refill))),
        }
    }
}

impl Allowance {
    /// For `Retry-After`: at least 1.
    pub(crate) fn retry_after(self) -> u64 {
        self.wait_seconds.max(1)
    }
}

/// The burst is one second's worth unless it is said.
fn quota(limit: RateLimit) -> (Quota, NonZeroU32) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive and at most 100,000, as checked when it was saved; a cast saturates"
    )]
    let second = limit.per_second.ceil() as u32;
    let burst = NonZeroU32::new(limit.burst.unwrap_or(second)).unwrap_or(NonZeroU32::MIN);
    let period = Duration::try_from_secs_f64(1.0 / limit.per_second).unwrap_or(Duration::from_secs(1));
    let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
        .unwrap_or_else(|| Quota::per_second(burst))
        .allow_burst(burst);
    (quota, burst)
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_without_a_burst_lets_one_seconds_worth_go_at_once() {
        let of = |per_second, burst| quota(RateLimit { per_second, burst });
        assert_eq!(of(200.0, Some(400)).1.get(), 400);
        assert_eq!(of(50.0, None).1.get(), 50);
        let (slow, burst) = of(0.1, None);
        assert_eq!(
            (slow.replenish_interval(), burst.get()),
            (Duration::from_secs(10), 1)
        );
        assert_eq!(of(2.5, None).1.get(), 3);
    }
}
