//! The router on real ledgers and conveyors.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod listeners;
mod lost;
mod neighbours;
mod routed;
mod waiting;
mod yard;
