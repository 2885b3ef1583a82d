//! The routing decision: what becomes of an event, and why.
//!
//! # Motivation
//!
//! Three services need the same decision. The router decides what the doors have recorded; the gateway decides at once
//! what comes in at doors whose answer names the deliveries or the run; the console says what routes would do. An event
//! must come to the same rows whichever of them looks at it.
//!
//! # Theory of operation
//!
//! [`resolve`] asks the jail what the routes' expressions yield for a batch of events, one request for all filters and
//! one for all transforms, and [`decide`](mod@decide) makes deliveries, runs and the [trace](mod@trace) of
//! it. [`explain`](fn@explain) is the same decision to look at, for what is not recorded or not saved. Before a decision
//! the event is [offered](offer) to the runs that wait for one; a run that begins to wait [looks back](look_back).
//! [`direct`] and [`started`] are for events whose sender named the target, so that no route is tried.
//!
//! # What it must never do
//!
//! Decide by a clock or draw lots: the same event and the same routes come to the same rows, with the same
//! ids. The caller brings the [`Moment`]. Deciding waits for the jail alone; [`offer`] and [`look_back`] read the waitbox, and
//! [`look_back`] alone writes: what it found into the run's inbox.

mod ask;
pub mod decide;
mod emitted;
mod evaluate;
mod explain;
mod look_back;
mod named;
mod order;
pub mod trace;
mod waiting;

pub use decide::{Moment, quarantine};
pub use emitted::emitted;
pub use evaluate::{Resolved, resolve};
pub use explain::{Explained, explain};
pub use look_back::look_back;
pub use named::{LARGEST_INPUT, Named, Start, direct, started};
pub use order::order_key;
pub use waiting::{Heard, WaitFailure, incoming, offer, settled, taken, wait_row};
