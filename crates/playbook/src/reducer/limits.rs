//! How much a run may be. A document's own limits are checked where it is read.

use std::time::Duration;

/// How many tasks a run may begin. More is a loop that nobody meant.
pub(super) const TASKS: u32 = 10_000;

/// How often threads may advance in one step. Each task begun is one and each list that ends another, so that a loop
/// over empty lists, which begins no task, ends as well.
pub(super) const ADVANCES: u32 = 20_000;

/// How many branches a `fork` may have.
pub(super) const BRANCHES: usize = 32;

/// How long a run may take that says nothing about it.
pub(super) const RUN: Duration = Duration::from_hours(30 * 24);

/// The longest that anything may wait: longer ones are cut to it. Times must stay within the years that RFC 3339 has.
pub(super) const WAIT: Duration = Duration::from_hours(100 * 365 * 24);

/// How much of a text that a stranger chose is quoted in an error, in characters.
pub(super) const QUOTED: usize = 200;
