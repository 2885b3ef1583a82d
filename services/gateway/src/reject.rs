//! Keeping what was refused, so that an operator can see why.
//!
//! All rejections are kept up to a number a minute and source; a flood above that is sampled and counted. Where another
//! secret or another contact could change the verdict, the whole request is kept beside what is shown of it, encrypted,
//! so that an operator can let it in once that is mended: see [`again`](crate::again).

use crate::arrival::{Arrival, Refusal, Refused};
use crate::kept;
use crate::problem::Problem;
use crate::sources::OpenSource;
use actix_web::web::Bytes;
use boot::settings::IpNet;
use boot::{Tasks, metrics};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use store::{NewRejection, RejectedRequest, Store};
use tokio::sync::mpsc::{self, Receiver, Sender};
use wire::{Door, Instant, RejectionId, SourceId};

/// Rejections that may wait to be written.
const CAPACITY: usize = 256;

/// How many are kept a minute and source.
const KEPT_A_MINUTE: u32 = 100;

/// Of those above, one in so many is kept.
const SAMPLED: u32 = 100;

/// How much of a body is shown, in bytes.
const PREVIEW: usize = 4_096;

/// The largest body of a request that is kept whole, in bytes.
const WHOLE: usize = 256 * 1_024;

/// How much is kept whole a minute and source, in bytes: a flood must not fill the ledger.
const WHOLE_A_MINUTE: usize = 4 * 1_024 * 1_024;

#[derive(Debug)]
pub(crate) struct Rejections {
    queue: Sender<NewRejection>,
    trusted_proxies: Vec<IpNet>,
    counts: Mutex<Counts>,
}

/// What each source had in the current minute.
#[derive(Debug, Default)]
struct Counts {
    minute: i64,
    by_source: HashMap<SourceId, Count>,
}

#[derive(Debug, Default)]
struct Count {
    rejections: u32,
    /// Of requests that are kept whole.
    bytes: usize,
}

/// What to keep of a rejection.
#[derive(Debug, PartialEq, Eq)]
enum Keep {
    /// It is only counted.
    Nothing,
    /// What is shown.
    Shown {
        /// How many of this minute's rejections at the source were only counted.
        dropped: u32,
        /// Also the whole request.
        whole: bool,
    },
}

impl Counts {
    /// Counts one, whose request would be kept whole if it has a size, and says what to keep of it.
    fn keep(&mut self, source: &SourceId, now: Instant, whole: Option<usize>) -> Keep {
        let minute = now.unix_seconds().div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.by_source.clear();
        }
        let count = self.by_source.entry(source.clone()).or_default();
        count.rejections = count.rejections.saturating_add(1);
        let above = count.rejections.saturating_sub(KEPT_A_MINUTE);
        if above > 0 && !count.rejections.is_multiple_of(SAMPLED) {
            return Keep::Nothing;
        }
        let whole = whole.filter(|bytes| count.bytes + bytes <= WHOLE_A_MINUTE);
        count.bytes += whole.unwrap_or(0);
        Keep::Shown {
            dropped: above - above / SAMPLED,
            whole: whole.is_some(),
        }
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
        let Arrival { head, body, at, .. } = arrival;
        let size = body.len() + kept::header_bytes(&head.headers);
        let is_whole = refusal.is_revisable && body.len() <= WHOLE;
        let kept = self.counts.lock().unwrap_or_else(PoisonError::into_inner).keep(
            &open.source.id,
            at,
            is_whole.then_some(size),
        );
        let Keep::Shown { dropped, whole } = kept else {
            metrics::rejection_dropped("sampled");
            return;
        };
        let address = kept::remote_address(head, &self.trusted_proxies).map(|address| address.to_string());
        let detail = match dropped {
            0 => refusal.detail,
            count => format!(
                "{}; {count} more of this minute at this source were not kept",
                refusal.detail
            ),
        };
        let rejection = NewRejection {
            door,
            request: whole.then(|| RejectedRequest {
                method: head.method.to_string(),
                target: head.uri.to_string(),
                headers: kept::header_lines(&head.headers),
                body: body.clone(),
                remote_address: address.clone(),
            }),
            id: RejectionId::new(at, rand::random()),
            workspace_id: open.source.workspace_id.clone(),
            source_id: Some(open.source.id.clone()),
            cause: refusal.cause.to_owned(),
            detail,
            received_at: at,
            method: head.method.to_string(),
            query: kept::query(head),
            remote_address: address,
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
        let shown = |dropped| Keep::Shown {
            dropped,
            whole: false,
        };
        let kept: Vec<Keep> = (0..1_000)
            .map(|_| counts.keep(&one, at(60), None))
            .filter(|keep| *keep != Keep::Nothing)
            .collect();
        assert_eq!(kept.len(), 100 + 9, "the first hundred, then each hundredth");
        assert_eq!(kept.get(99), Some(&shown(0)));
        assert_eq!(
            (kept.get(100), kept.last()),
            (Some(&shown(99)), Some(&shown(891)))
        );
        assert_eq!(
            counts.keep(&two, at(61), None),
            shown(0),
            "another source has its own count"
        );
        assert_eq!(
            counts.keep(&one, at(120), None),
            shown(0),
            "a new minute starts anew"
        );
    }

    #[test]
    fn only_so_much_is_kept_whole_a_minute_and_source() {
        let source = SourceId::from_stored("so_1");
        let mut counts = Counts::default();
        let mut whole = |second: i64| {
            let at = Instant::from_unix_micros(second * 1_000_000);
            matches!(
                counts.keep(&source, at, Some(WHOLE)),
                Keep::Shown { whole: true, .. }
            )
        };
        assert_eq!((0..100).filter(|_| whole(60)).count(), 16);
        assert!(whole(120));
    }
}
