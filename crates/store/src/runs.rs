//! Runs as the management API sees them, and what operators want of them.

use crate::connect::{read, write};
use crate::sweep::LONGEST_SWEEP;
use crate::{Control, Error, Page, Run, RunsOf, StepRow, Store};
use uuid::Uuid;
use wire::{EventId, Instant, PlaybookId, RunId, RunState, WorkspaceId};

/// The longest page of runs; whoever asks for more gets this much.
const LONGEST_PAGE: i64 = 1_000;

/// The longest page of steps: one has up to 128 KiB.
const LONGEST_JOURNAL_PAGE: i64 = 200;

impl Store {
    /// One run.
    pub async fn run(&self, workspace: &WorkspaceId, id: RunId) -> Result<Option<Run>, Error> {
        let workspace = workspace.clone();
        read!(self, |conn, queries| queries::runs::find(conn, &workspace, id))
    }

    /// A workspace's runs before `before`, newest first, without their outputs; those in `state`, or all.
    pub async fn runs(
        &self,
        workspace: &WorkspaceId,
        state: Option<RunState>,
        before: Option<RunId>,
        limit: i64,
    ) -> Result<Page<Run>, Error> {
        let workspace = workspace.clone();
        let limit = limit.clamp(0, LONGEST_PAGE);
        let rows = read!(self, |conn, queries| queries::runs::list(
            conn,
            &workspace,
            state,
            before,
            limit + 1
        ))?;
        Ok(Page::of(rows, limit))
    }

    /// A playbook's runs before `before`, newest first, without their outputs; those in `state`, or all.
    pub async fn runs_of(
        &self,
        playbook: &PlaybookId,
        state: Option<RunState>,
        before: Option<RunId>,
        limit: i64,
    ) -> Result<Page<Run>, Error> {
        let playbook = playbook.clone();
        let limit = limit.clamp(0, LONGEST_PAGE);
        let rows = read!(self, |conn, queries| queries::runs::of_playbook(
            conn,
            &playbook,
            state,
            before,
            limit + 1
        ))?;
        Ok(Page::of(rows, limit))
    }

    /// A run's steps after the one of that number, first to last, at most 200. Of a run that is not the workspace's there
    /// are none.
    pub async fn steps(
        &self,
        workspace: &WorkspaceId,
        run: RunId,
        after: Option<i32>,
        limit: i64,
    ) -> Result<Page<StepRow>, Error> {
        let workspace = workspace.clone();
        let limit = limit.clamp(0, LONGEST_JOURNAL_PAGE);
        let rows = read!(self, |conn, queries| queries::runs::steps(
            conn,
            &workspace,
            run,
            after,
            limit + 1
        ))?;
        Ok(Page::of(rows, limit))
    }

    /// Has up to `limit` runs cancelled that have not ended, after `after`, in the order of their ids. Returns those there
    /// were, whether or not they were to be cancelled already: the last of them is where the next call goes on, and fewer
    /// than `limit` are the last ones.
    pub async fn cancel_runs(
        &self,
        of: RunsOf,
        after: Option<RunId>,
        limit: i64,
        at: Instant,
    ) -> Result<Vec<RunId>, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        write!(self, |conn, queries| queries::control::cancel_of(
            conn, &of, after, limit, at
        ))
    }
}

/// The id of something that comes into an inbox now: it sorts by the time.
pub(crate) fn arrival(at: Instant) -> Uuid {
    EventId::new(at, rand::random()).uuid()
}

/// What there is to do about a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It is to be written down.
    New,
    /// It was wished before, and nobody took it in yet.
    Open,
    /// The run cannot do that.
    Impossible,
}

/// Where a run will be once it took in what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Going,
    Held,
    /// To be cancelled.
    Ending,
    Faulted,
    Over,
}

impl Standing {
    fn of(state: RunState) -> Self {
        match state {
            RunState::Pending | RunState::Running | RunState::Waiting => Self::Going,
            RunState::Paused => Self::Held,
            RunState::Faulted => Self::Faulted,
            RunState::Completed | RunState::Cancelled => Self::Over,
        }
    }

    /// Where a wish leads to; none when it makes no sense here, and is ignored.
    fn after(self, wish: &str) -> Option<Self> {
        match (self, wish) {
            (Self::Going, "pause") => Some(Self::Held),
            (Self::Held, "resume") | (Self::Faulted, "retry") => Some(Self::Going),
            (Self::Going | Self::Held, "cancel") => Some(Self::Ending),
            _ => None,
        }
    }
}

/// Decides about a wish for a run that is in `state` and was told what is `open`, in that order.
pub(crate) fn wish<'w>(state: RunState, open: impl Iterator<Item = &'w str>, control: Control) -> Wish {
    let mut standing = Standing::of(state);
    let mut last = None;
    for wished in open {
        if let Some(next) = standing.after(wished) {
            (standing, last) = (next, Some(wished));
        }
    }
    if standing.after(control.as_str()).is_some() {
        Wish::New
    } else if last == Some(control.as_str()) {
        Wish::Open
    } else {
        Wish::Impossible
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Control = Control::Retry { fresh_keys: true };

    #[test]
    fn each_state_allows_what_makes_sense() {
        use RunState::{Cancelled, Completed, Faulted, Paused, Pending, Running, Waiting};
        for (control, states) in [
            (Control::Cancel, &[Pending, Running, Waiting, Paused][..]),
            (Control::Pause, &[Pending, Running, Waiting]),
            (Control::Resume, &[Paused]),
            (RETRY, &[Faulted]),
        ] {
            for state in [Pending, Running, Waiting, Paused, Completed, Faulted, Cancelled] {
                let expected = if states.contains(&state) {
                    Wish::New
                } else {
                    Wish::Impossible
                };
                assert_eq!(
                    wish(state, [].into_iter(), control),
                    expected,
                    "{control:?} of {state}"
                );
            }
        }
    }

    #[test]
    fn wishes_that_are_not_taken_in_yet_count() {
        let running = |open: &[&str], control| wish(RunState::Running, open.iter().copied(), control);
        assert_eq!(running(&["pause"], Control::Pause), Wish::Open);
        assert_eq!(running(&["pause"], Control::Resume), Wish::New);
        assert_eq!(running(&["pause", "resume"], Control::Resume), Wish::Open);
        assert_eq!(running(&["pause", "resume"], Control::Pause), Wish::New);
        assert_eq!(running(&["cancel"], Control::Cancel), Wish::Open);
        assert_eq!(running(&["cancel"], Control::Pause), Wish::Impossible);
        let faulted = |open: &[&str], control| wish(RunState::Faulted, open.iter().copied(), control);
        // One that came too late for the run to pause.
        assert_eq!(faulted(&["pause"], RETRY), Wish::New);
        assert_eq!(faulted(&["retry"], RETRY), Wish::Open);
        assert_eq!(faulted(&["retry"], Control::Cancel), Wish::New);
        assert_eq!(faulted(&[], Control::Cancel), Wish::Impossible);
    }
}
