//! Keeping what was refused, so that an operator can see why.
//!
//! All rejections are kept up to a number a minute and source; a flood above that is sampled and counted.

use crate::arrival::{Arrival, Refusal, Refused};
use crate::kept;
use crate::problem::Problem;
use crate::sources::OpenSource;
use actix_web::web::Bytes;
use boot::settings::IpNet;
use boot::{Tasks, metrics};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use store::{NewRejection, Store};
use tokio::sync::mpsc::{self, Receiver, Sender};
use wire::{Door, Instant, RejectionId, SourceId};

/// Rejections that may wait to be written.
const CAPACITY: usize = 256;

/// How many are kept a minute and source.
const KEPT_A_MINUTE: u32 = 100;

/// Of those above, one in so many is kept.
const SAMPLED: u32 = 100;

/// How much of a body is kept, in bytes.
const PREVIEW: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Rejections {
    queue: Sender<NewRejection>,
    trusted_proxies: Vec<IpNet>,
    counts: Mutex<Counts>,
}

/// How many rejections each source had in the current minute.
#[derive(Debug, Default)]
struct Counts {
    minute: i64,
    by_source: HashMap<SourceId, u32>,
}

impl Counts {
    /// Counts one, and says whether to keep it.
    fn keep(&mut self, source: &SourceId, now: Instant) -> bool {
        let minute = now.unix_seconds().div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.by_source.clear();
        }
        let count = self.by_source.entry(source.clone()).or_default();
        *count = count.saturating_add(1);
        *count <= KEPT_A_MINUTE || count.is_multiple_of(SAMPLED)
    }
}

impl Rejections {
    /// Whoever the proxies in `trusted_proxies` say a request comes from is believed.
    pub(crate) fn start(store: Store, trusted_proxies: Vec<IpNet>, tasks: &Tasks) -> Self {
        let (queue, receiver) = mpsc::channel(CAPACITY);
        let stopping = tasks.shutdown().stopping();
        tasks.spawn("gateway.rejections", async move {
            write(store, receiver, stopping).await;
        });
        Self {
            queue,
            trusted_proxies,
            counts: Mutex::default(),
        }
    }

    /// Keeps a refused request where that is due, and says what its sender is told. Never waits.
    pub(crate) fn refuse(
        &self,
        door: Door,
        open: &OpenSource,
        arrival: Arrival<'_>,
        refused: Refused,
    ) -> Problem {
        if let Some(refusal) = refused.refusal {
            self.keep(door, open, arrival, refusal);
        }
        refused.problem
    }

    /// Keeps a refused request, unless there are too many. Never waits.
    pub(crate) fn keep(&self, door: Door, open: &OpenSource, arrival: Arrival<'_>, refusal: Refusal) {
        let kept = self
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keep(&open.source.id, arrival.at);
        if !kept {
            metrics::rejection_dropped("sampled");
            return;
        }
        let Arrival { head, body, at, .. } = arrival;
        let address = kept::remote_address(head, &self.trusted_proxies);
        let rejection = NewRejection {
            door,
            request: None,
            id: RejectionId::new(at, rand::random()),
            workspace_id: open.source.workspace_id.clone(),
            source_id: Some(open.source.id.clone()),
            cause: refusal.cause.to_owned(),
            detail: refusal.detail,
            received_at: at,
            method: head.method.to_string(),
            query: kept::query(head),
            remote_address: address.map(|address| address.to_string()),
            headers: kept::redacted_headers(&head.headers, |name| open.is_secret(name)),
            // A copy: a slice would keep the whole body in memory until it is written.
            body_preview: Bytes::copy_from_slice(body.get(..PREVIEW).unwrap_or(body)),
        };
        if self.queue.try_send(rejection).is_err() {
            metrics::rejection_dropped("full");
        }
    }
}

async fn write(
    store: Store,
    mut queue: Receiver<NewRejection>,
    stopping: tokio_util::sync::CancellationToken,
) {
    loop {
        let rejection = tokio::select! {
            biased;
            Some(rejection) = queue.recv() => rejection,
            () = stopping.cancelled() => return,
        };
        if let Err(error) = store.reject(rejection).await {
            metrics::rejection_dropped("ledger");
            tracing::warn!(error = %error, "a rejection could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_sampled_per_source_and_minute() {
        let (one, two) = (SourceId::from_stored("so_1"), SourceId::from_stored("so_2"));
        let at = |second: i64| Instant::from_unix_micros(second * 1_000_000);
        let mut counts = Counts::default();
        let kept = (0..1_000).filter(|_| counts.keep(&one, at(60))).count();
        assert_eq!(kept, 100 + 9, "the first hundred, then each hundredth");
        assert!(counts.keep(&two, at(61)), "another source has its own count");
        assert!(counts.keep(&one, at(120)), "a new minute starts anew");
    }
}
