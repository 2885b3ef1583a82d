//! The delivery worker on real ledgers and conveyors, with real receivers.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod apart;
mod certificates;
mod circuits;
mod lost;
mod outcomes;
mod received;
mod tokens;
mod yard;
