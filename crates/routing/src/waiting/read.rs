//! Reading the waits that the events of a batch may be given to.

use std::collections::{HashMap, HashSet};
use store::{Store, WaitKey, WaitRow};
use waitbox::{Candidate, Digest, Expectation};
use wire::{RunId, WorkspaceId};

/// Pages of one kind that are read for an event at the most.
const PAGES: usize = 10;

/// Waits of one kind that are read at once.
const PAGE: i64 = 1_000;

/// An event's type, and a shape and correlation of it.
pub(super) type Key = (String, Digest, Digest);

/// One filter of one listen of a run.
pub(super) struct Wait {
    pub(super) candidate: Candidate,
    pub(super) expectation: Expectation,
}

/// The waits of a workspace, by what an event must yield for them.
pub(super) struct Waits(HashMap<Key, Vec<Wait>>);

impl Waits {
    /// Reads those of these keys. `wanted` says how many events of each there are; `more`, how many exclusive waits may be
    /// of no use, since their runs have an event already.
    pub(super) async fn read(
        store: &Store,
        workspace: &WorkspaceId,
        wanted: HashMap<Key, usize>,
        more: usize,
    ) -> Result<Self, store::Error> {
        let mut waits: HashMap<Key, Vec<Wait>> = HashMap::new();
        let mut open: Vec<(WaitKey, Key, usize)> = Vec::new();
        for (key, count) in wanted {
            for is_broadcast in [false, true] {
                let asked = WaitKey {
                    workspace_id: workspace.clone(),
                    event_type: key.0.clone(),
                    shape: key.1.as_bytes().to_vec(),
                    correlation: key.2.as_bytes().to_vec(),
                    is_broadcast,
                    after: None,
                };
                open.push((asked, key.clone(), count + more));
            }
        }
        for _ in 0..PAGES {
            if open.is_empty() {
                break;
            }
            let keys = open.iter().map(|(asked, ..)| asked.clone()).collect();
            let mut pages: Vec<Vec<WaitRow>> = open.iter().map(|_| Vec::new()).collect();
            for row in store.waits(keys, PAGE).await? {
                if let Some(page) = pages.get_mut(row.asked) {
                    page.push(row);
                }
            }
            let mut still_open = Vec::new();
            for ((mut asked, key, wanted), rows) in open.into_iter().zip(pages) {
                let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= PAGE);
                asked.after = rows.last().map(|row| (row.run_id, row.effect, row.filter));
                let found = waits.entry(key.clone()).or_default();
                found.extend(rows.iter().filter_map(|row| Wait::of(row, asked.is_broadcast)));
                if is_full && (asked.is_broadcast || takers(found) < wanted) {
                    still_open.push((asked, key, wanted));
                }
            }
            open = still_open;
        }
        Ok(Self(waits))
    }

    pub(super) fn of(
        &self,
        event_type: &str,
        shape: &Digest,
        correlation: &Digest,
    ) -> impl Iterator<Item = &Wait> {
        let key = (event_type.to_owned(), shape.clone(), correlation.clone());
        self.0.get(&key).into_iter().flatten()
    }
}

/// How many listens would take any event of their key.
fn takers(waits: &[Wait]) -> usize {
    let listens: HashSet<(RunId, i32)> = waits
        .iter()
        .filter(|wait| !wait.candidate.is_broadcast)
        .filter(|wait| wait.expectation.source.is_none() && wait.expectation.data.is_none())
        .map(|wait| (wait.candidate.run, wait.candidate.effect))
        .collect();
    listens.len()
}

impl Wait {
    /// A row that cannot be read is nobody's: another release wrote it, which sees to it.
    fn of(row: &WaitRow, is_broadcast: bool) -> Option<Self> {
        Some(Self {
            expectation: serde_json::from_str(&row.spec).ok()?,
            candidate: Candidate {
                run: row.run_id,
                effect: row.effect,
                filter: row.filter,
                is_any: row.is_any,
                is_broadcast,
            },
        })
    }
}
