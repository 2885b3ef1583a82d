//! The waitbox: which run goes on with an event.
//!
//! # Motivation
//!
//! A run that listens costs a row and nothing else. When an event comes, the runs that wait for it must be found among
//! a hundred thousand that wait for others of its type, and one of two runs that could take it must get it, whichever
//! of the two services looks first: the router, when the event comes after the wait, or the runner, when it came before.
//!
//! # Theory of operation
//!
//! - [`waits_of`] makes the rows of a `listen`, one a filter. Each has the [digest](Digest) of its correlation: of its
//!   expressions with the values that they must yield. Waits that differ in their values alone have one [`Shape`], so an
//!   event is asked each shape's expressions once, and the digest of what they yield finds the waits by an index.
//! - What the digest cannot say, the exact source and the expression over the data, is compared for each of the few
//!   that are left. Each distinct expression is asked once an event.
//! - [`decide`] says who gets the event. Exclusive waits: the oldest run alone, and no route sees it. Broadcast waits:
//!   all of them, and everything else goes on as if they were not there.
//! - The router inserts the event, then looks for waits; the runner inserts the waits, then looks back for events. One of
//!   the two always sees the other (`tests/model` tries all interleavings).
//!
//! # What it must never do
//!
//! I/O, look at a clock, run an expression: callers have the answers of the jail ([`expression::Jail`]). An expression
//! that failed, or was stopped, does not match.

mod decide;
mod digest;
mod envelope;
mod expectation;

pub use decide::{Candidate, Gift, Offer, Spent, decide};
pub use digest::{Digest, Shape};
pub use envelope::{EMITTED, Incoming, LAST_GENERATION, attributes, generation};
pub use expectation::{Expectation, Wait, waits_of};
