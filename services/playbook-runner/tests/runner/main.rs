//! The runner on real ledgers and conveyors, with real servers to call.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy knows the tests' functions, not those they share"
)]

mod allocations;
mod calls;
mod controls;
mod crashes;
mod running;
mod slots;
mod yard;
