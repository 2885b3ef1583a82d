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
//! it. [`explain`](fn@explain) is the same decision to look at, for what is not recorded or not saved. [`direct`] and [`started`] are for events whose sender named the target, so that no route is tried.
//!
//! # What it must never do
//!
//! Write anything, read a clock or draw lots: the same event and the same routes come to the same rows, with the same
//! ids. The caller brings the [`Moment`]. Nothing but [`resolve`] waits, and it waits for the jail alone.

pub mod decide;
mod evaluate;
mod explain;
mod named;
pub mod trace;

pub use decide::{Moment, quarantine};
pub use evaluate::resolve;
pub use explain::{Explained, explain};
pub use named::{Start, direct, started};
