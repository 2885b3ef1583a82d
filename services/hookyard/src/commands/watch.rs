//! Watching events as they come, over the management API.
//!
//! It is asked again and again for its newest rows; what was not there before is new.

use crate::api::{self, Api, Event, EventPage};
use crate::screen::{Screen, WARN, styled};
use std::collections::BTreeSet;
use std::time::Duration;

/// The most that a page can have.
pub(super) const PAGE: &str = "100";
/// How far one look goes back: a burst of more between two looks is not seen whole.
const PAGES: usize = 20;
/// How many ids are remembered; they sort by time, so the oldest are forgotten.
pub(super) const REMEMBERED: usize = 4_000;
/// Between two looks at the most often.
pub(super) const BREATH: Duration = Duration::from_millis(100);

/// The events that were seen already.
#[derive(Default)]
pub(super) struct Seen {
    ids: BTreeSet<String>,
    /// Only of this source.
    source: Option<String>,
    has_looked: bool,
}

impl Seen {
    /// Watches the events of one source alone, if any is named.
    pub(super) fn of(source: Option<String>) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    /// The events that were not there at the last look, oldest first; at the first look, the newest page.
    pub(super) async fn look(&mut self, api: &Api) -> Result<Vec<Event>, api::Error> {
        let mut fresh = Vec::new();
        let mut cursor: Option<String> = None;
        for _page in 0..PAGES {
            let query = [
                ("source", self.source.as_deref()),
                ("limit", Some(PAGE)),
                ("cursor", cursor.as_deref()),
            ];
            let page: EventPage = api.get(&["events"], &query).await?;
            let there = page.events.len();
            let unseen = page
                .events
                .into_iter()
                .filter(|event| !self.ids.contains(&event.id));
            let before = fresh.len();
            fresh.extend(unseen);
            let all_unseen = fresh.len() - before == there;
            cursor = page.next_cursor.filter(|_| all_unseen && self.has_looked);
            if cursor.is_none() {
                break;
            }
        }
        // Only now: a look that failed half way is made again from the newest on.
        self.ids.extend(fresh.iter().map(|event| event.id.clone()));
        self.has_looked = true;
        while self.ids.len() > REMEMBERED {
            self.ids.pop_first();
        }
        fresh.reverse();
        Ok(fresh)
    }
}

/// Whether the server answers, said once when it no longer does.
#[derive(Default)]
pub(super) struct Reach {
    is_lost: bool,
}

impl Reach {
    /// Bears with a server that restarts, or whose ledger is away: that is worth waiting for. A token that was revoked is
    /// not.
    pub(super) fn bear(&mut self, looked: anyhow::Result<()>, screen: Screen) -> anyhow::Result<()> {
        match looked {
            Ok(()) => self.is_lost = false,
            Err(error) if may_pass(&error) => {
                if !self.is_lost {
                    screen.note(styled(WARN, format_args!("{error:#}; trying again")));
                }
                self.is_lost = true;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whether the next look may succeed.
fn may_pass(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<api::Error>()
        .is_some_and(api::Error::is_transient)
}
