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
mod order;
mod outcomes;
mod policy;
mod received;
mod shares;
mod tokens;
mod yard;
