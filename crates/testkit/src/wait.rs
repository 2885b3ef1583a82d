//! Waiting for a condition.

use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Long enough for anything that works, also on a busy machine; only failing tests wait this long.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// How often a condition is asked.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; panics with `what` when it does not within [`DEADLINE`].
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let mut asked = 0;
/// hookyard_testkit::until("it was asked three times", async || {
///     asked += 1;
///     asked == 3
/// })
/// .await;
/// # });
/// ```
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        sleep(PAUSE).await;
    }
}
