//! The real program, as its users start it: `hookyard dev` over HTTP, the commands over their output and exit codes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a helper that fails fails its test, and says why"
)]

mod commands;
mod config;
mod crash;
mod demo;
mod distributed;
mod doors;
mod endless;
mod keys;
mod listen;
mod nahook;
mod openapi;
mod outbound;
mod playbooks;
mod portal;
mod rejections;
mod runners;
mod running;
mod runs;
mod schemathesis;
mod seeds;
mod senders;
mod services;
