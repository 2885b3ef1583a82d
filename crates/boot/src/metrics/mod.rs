//! What this product counts and times, as functions that services call without knowing the SDK.
//!
//! There is one meter provider per process. It is read by `/metrics` (Prometheus text) and, if the settings say so,
//! pushed to a collector. Before [`crate::telemetry::Telemetry::start`] the functions work too, so tests need no setup.
//!
//! Labels are enums and `&'static str`, so the number of series is bounded by the source code. The one that a tenant
//! chooses, a playbook's slug, is bounded by [`Playbook`]. Ids belong in logs and traces.
//!
//! Each metric is declared beside the functions that record it, and listed in `docs/operations.md`; the tests hold the
//! list, the dashboard and the alerts against what is shown.
//!
//! ```
//! use hookyard_boot::metrics::{self, Ingest};
//!
//! metrics::ingest("token", "github", Ingest::Accepted);
//! assert!(metrics::text().contains("hookyard_ingest_events_total"));
//! ```

mod conveyor;
mod declare;
mod deliveries;
mod doors;
mod ledger;
mod meters;
mod requests;
mod runs;
#[cfg(test)]
mod tests;

pub(crate) use conveyor::observe_conveyor;
pub use conveyor::{consumed, publish, publish_failed, swept};
pub use deliveries::{
    deliveries_in_flight, delivery_attempted, delivery_end_to_end, delivery_ended, delivery_lag,
};
pub use doors::{Ingest, ingest, rejection_dropped, signature_verified};
pub(crate) use ledger::observe_pool;
pub use ledger::{
    backlog, batch_written, circuits_open, dead_letters, deliveries_recovered, expired, partitions_dropped,
    recovery_progress, unpublished,
};
pub use meters::{CONTENT_TYPE, text};
pub(crate) use meters::{finish, start};
pub(crate) use requests::{request_answered, request_began};
pub use runs::{ActiveRun, Playbook, run_broken, run_ended, run_step, run_taken};
