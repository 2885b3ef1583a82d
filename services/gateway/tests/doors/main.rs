//! The doors through real HTTP on a real ledger, answer by answer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod adapter;
mod allocations;
mod app;
mod app_platforms;
mod channel;
mod faults;
mod given;
mod gzip;
mod handshakes;
mod hook;
mod playbook;
mod rejections;
mod send;
mod send_batches;
mod token;
mod token_keys;
mod token_signed;
mod trigger;
mod unchecked;
mod verdicts;
mod wire_http;
mod yard;
