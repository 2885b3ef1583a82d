//! The doors through real HTTP on a real ledger, answer by answer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod channel;
mod faults;
mod handshakes;
mod token;
mod wire_http;
mod yard;
