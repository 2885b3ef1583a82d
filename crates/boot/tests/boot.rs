//! Processes as an operator and a load balancer see them: real sockets, real signals, real exit codes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::match_wild_err_arm,
    reason = "a helper that fails fails its test"
)]

#[path = "boot/child.rs"]
mod child;
#[path = "boot/collector.rs"]
mod collector;
#[path = "boot/http.rs"]
mod http;
#[path = "boot/life.rs"]
mod life;
#[path = "boot/platform.rs"]
mod platform;
#[path = "boot/wire.rs"]
mod wire;
