//! The kit's own tests: a tool that lies makes every other test lie.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy knows the tests' functions, not those they share"
)]

mod servers;
mod sockets;
