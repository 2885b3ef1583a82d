//! A model of turns (`queries::order`): whoever makes a delivery with a key, or ends one, settles whose turn it is.
//!
//! As in the model of lanes, it is of READ COMMITTED: a statement sees what was committed when it began and what its own
//! transaction did, and whoever wants the locked lane waits. Each delivery of one key is made by one actor, leased by a worker
//! when it has the turn, and ended by it.

use std::collections::HashSet;

const DELIVERIES: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Absent,
    /// It waits for its turn.
    Behind,
    /// It has the turn.
    Due,
    Leased,
    Ended,
}

/// How far the transaction of one delivery's maker or worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    /// It changed the delivery, and touched the lane.
    Changed,
    /// It settled the turn.
    Settled,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Model {
    /// As it was committed, in the order of the events.
    committed: [Stage; DELIVERIES],
    /// What each transaction did that is not committed.
    written: [[Option<Stage>; DELIVERIES]; DELIVERIES],
    steps: [Step; DELIVERIES],
    lane: Option<usize>,
}

impl Model {
    /// What the transaction of `actor` sees.
    fn seen_by(&self, actor: usize) -> [Stage; DELIVERIES] {
        let mut seen = self.committed;
        for (stage, written) in seen.iter_mut().zip(self.written[actor]) {
            *stage = written.unwrap_or(*stage);
        }
        seen
    }

    /// What `queries::order` does.
    fn settle(&mut self, actor: usize) {
        let seen = self.seen_by(actor);
        if seen.contains(&Stage::Leased) {
            return;
        }
        let first = seen
            .iter()
            .position(|stage| matches!(stage, Stage::Behind | Stage::Due));
        let has_it = seen.iter().position(|stage| *stage == Stage::Due);
        if let Some(first) = first.filter(|first| has_it != Some(*first)) {
            if let Some(other) = has_it {
                self.written[actor][other] = Some(Stage::Behind);
            }
            self.written[actor][first] = Some(Stage::Due);
        }
    }

    fn next(&self, is_careless: bool) -> Vec<Self> {
        let mut next = Vec::new();
        for actor in 0..DELIVERIES {
            let mut after = self.clone();
            match (self.steps[actor], self.committed[actor]) {
                (Step::Idle, Stage::Absent | Stage::Leased) => {
                    if !is_careless && self.lane.is_some() {
                        continue;
                    }
                    let changed = if self.committed[actor] == Stage::Absent {
                        Stage::Behind
                    } else {
                        Stage::Ended
                    };
                    after.written[actor][actor] = Some(changed);
                    after.steps[actor] = Step::Changed;
                    if !is_careless {
                        after.lane = Some(actor);
                    }
                }
                // A worker leases under the lane's lock, and passes by a lane that is locked.
                (Step::Idle, Stage::Due) if self.lane.is_none() => {
                    after.committed[actor] = Stage::Leased;
                }
                (Step::Idle, _) => continue,
                (Step::Changed, _) => {
                    after.settle(actor);
                    after.steps[actor] = Step::Settled;
                }
                (Step::Settled, _) => {
                    after.committed = after.seen_by(actor);
                    after.written[actor] = [None; DELIVERIES];
                    after.steps[actor] = Step::Idle;
                    if after.lane == Some(actor) {
                        after.lane = None;
                    }
                }
            }
            next.push(after);
        }
        next
    }

    /// Whether more than one may go.
    fn overlaps(&self) -> bool {
        let goes = |stage: &&Stage| matches!(stage, Stage::Due | Stage::Leased);
        self.committed.iter().filter(goes).count() > 1
    }
}

/// How many states there are, and the first that must not be: two of a key that may go, or the end of everything while one
/// waits.
fn explore(is_careless: bool) -> (usize, Option<Model>) {
    let start = Model {
        committed: [Stage::Absent; DELIVERIES],
        written: [[None; DELIVERIES]; DELIVERIES],
        steps: [Step::Idle; DELIVERIES],
        lane: None,
    };
    let mut open = vec![start.clone()];
    let mut seen = HashSet::from([start]);
    while let Some(model) = open.pop() {
        let after = model.next(is_careless);
        let has_ended = model.committed.iter().all(|stage| *stage == Stage::Ended);
        if model.overlaps() || (after.is_empty() && !has_ended) {
            return (seen.len(), Some(model));
        }
        for model in after {
            if seen.insert(model.clone()) {
                open.push(model);
            }
        }
    }
    (seen.len(), None)
}

#[test]
fn no_order_of_statements_strands_a_delivery_or_lets_two_of_a_key_go() {
    let (states, wrong) = explore(false);
    assert!(states > 100, "the model is too small to show anything: {states}");
    assert_eq!(wrong, None);
}

#[test]
fn a_turn_that_is_settled_without_the_lock_goes_wrong() {
    let (_, wrong) = explore(true);
    assert!(
        wrong.is_some(),
        "the model does not see the fault that the lock is for"
    );
}
