use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

const START: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

fn at(seconds: u64) -> Instant {
    START + Duration::from_secs(seconds)
}

fn lane(workspace: &str, circuit: &str, max_in_flight: Option<i32>) -> Lane {
    Lane {
        endpoint_id: EndpointId::from_stored("ep_one"),
        workspace_id: WorkspaceId::from_stored(workspace),
        idle_since: None,
        circuit: circuit.to_owned(),
        probe_at: (circuit == "open").then(|| at(15)),
        waits_since: (circuit == "open").then(|| at(0)),
        max_in_flight,
    }
}

#[test]
fn a_lane_sleeps_past_ten_seconds_only_after_ten_seconds_of_emptiness() {
    let next = |now, due, idle| next_look(at(now), due, idle, at(now));
    assert_eq!(next(0, None, None), (Some(at(10)), Some(at(0))));
    assert_eq!(next(4, Some(at(3_600)), Some(at(0))), (Some(at(10)), Some(at(0))));
    assert_eq!(next(4, Some(at(6)), Some(at(0))), (Some(at(6)), Some(at(0))));
    assert_eq!(next(10, None, Some(at(0))), (None, Some(at(0))));
    assert_eq!(
        next(10, Some(at(3_600)), Some(at(0))),
        (Some(at(3_600)), Some(at(0)))
    );
    assert_eq!(
        next(10, Some(at(9)), Some(at(0))),
        (Some(at(10)), None),
        "what is left is due"
    );
}

#[test]
fn an_open_circuit_lets_one_probe_go_and_waits_for_it() {
    let open = lane("ws_a", "open", Some(1));
    assert_eq!(open.free(at(14), 0, 100), 0);
    assert_eq!(
        open.after(at(14), 0, 0, Some(at(0)), false).ready_at,
        Some(at(15))
    );
    assert_eq!(open.free(at(15), 7, 100), 1, "leases of before are no probes");
    let looked = open.after(at(15), 1, 1, Some(at(0)), false);
    assert_eq!((looked.ready_at, looked.probe_at), (Some(at(105)), Some(at(105))));
}

#[test]
fn what_waits_is_given_up_only_where_the_circuit_was_open_for_three_days() {
    let hour = |hour: u64| at(hour * 3_600);
    let open = lane("ws_a", "open", Some(1));
    assert!(!open.is_past_waiting(hour(71)));
    assert!(open.is_past_waiting(hour(72)));
    assert!(!lane("ws_a", "half_open", Some(1)).is_past_waiting(hour(100)));
    let looked = open.after(hour(72), 0, 0, Some(at(0)), true);
    assert_eq!(looked.ready_at, Some(hour(72)), "there are more to give up");
}

#[test]
fn a_lane_that_is_busy_is_not_ready_at_once_and_one_that_lacked_room_is() {
    let limited = lane("ws_a", "closed", Some(5));
    let ready = |in_flight| {
        limited
            .after(at(1), 1, in_flight, Some(at(0)), false)
            .ready_at
            .unwrap()
    };
    assert!(ready(5) > at(1));
    assert_eq!(ready(4), at(1));
}

#[test]
fn a_limit_counts_what_is_in_flight() {
    assert_eq!(lane("ws_a", "closed", None).free(at(0), 1_000, 50), 50);
    assert_eq!(lane("ws_a", "closed", Some(5)).free(at(0), 3, 50), 2);
    assert_eq!(lane("ws_a", "half_open", Some(4)).free(at(0), 9, 50), 0);
    assert_eq!(lane("ws_a", "half_open", Some(4)).free(at(0), 0, 1), 1);
}

#[test]
fn a_workspace_with_many_lanes_gets_no_more_than_one_with_one() {
    let mut lanes = vec![lane("ws_large", "closed", None); 30];
    lanes.push(lane("ws_small", "closed", None));
    let shares = share(&lanes, &[100; 31], 20);
    assert_eq!(shares[30], 10);
    assert_eq!(shares.iter().sum::<usize>(), 20);
    assert!(shares[..30].iter().all(|share| *share <= 1), "{shares:?}");
}

proptest! {
    #[test]
    fn shares_use_the_room_up_and_no_lane_takes_more_than_it_may(
        lanes in proptest::collection::vec((0_u8..5, 0_usize..40), 0..40), room in 0_usize..300,
    ) {
        let free: Vec<usize> = lanes.iter().map(|(_, free)| *free).collect();
        let lanes: Vec<Lane> = lanes.iter().map(|(workspace, _)| lane(&format!("ws_{workspace}"), "closed", None)).collect();
        let shares = share(&lanes, &free, room);
        prop_assert!(shares.iter().zip(&free).all(|(share, free)| share <= free));
        prop_assert_eq!(shares.iter().sum::<usize>(), room.min(free.iter().sum()));
    }
}

/// What a maker and a worker do to one lane, statement by statement. The maker's transaction inserts a delivery and
/// touches the lane; a worker's locks the lane, leases what it sees, and says when to look again.
///
/// The model is of READ COMMITTED: a statement sees what was committed when it began, a row is locked until its
/// transaction ends, whoever wants a locked row waits, and a worker passes it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Model {
    clock: u64,
    ready_at: Option<u64>,
    idle_since: Option<u64>,
    locked_by: Option<Who>,
    /// Of each delivery when it is due, and how far it is.
    deliveries: [(u64, Stage); MAKERS],
    makers: [Maker; MAKERS],
    worker: Worker,
}

const MAKERS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Maker(usize),
    Worker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Absent,
    Uncommitted,
    Waiting,
    Leased,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Maker {
    Begins,
    Inserted,
    Touched,
    Committed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Worker {
    Idle,
    Locked,
    Leased { leased: usize },
    Seen { leased: usize, next_due: Option<u64> },
}

/// What the model may come to next.
fn steps(model: &Model, is_careless: bool) -> Vec<Model> {
    let mut next = Vec::new();
    for maker in 0..MAKERS {
        let mut after = model.clone();
        match model.makers[maker] {
            Maker::Begins => {
                after.deliveries[maker].1 = Stage::Uncommitted;
                after.makers[maker] = Maker::Inserted;
            }
            Maker::Inserted => {
                let due = model.deliveries[maker].0;
                let has_nothing_to_change = model.ready_at.is_some_and(|ready| ready <= due);
                if is_careless && has_nothing_to_change {
                    after.makers[maker] = Maker::Touched;
                } else if model.locked_by.is_none() {
                    after.locked_by = Some(Who::Maker(maker));
                    after.ready_at = Some(model.ready_at.map_or(due, |ready| ready.min(due)));
                    after.makers[maker] = Maker::Touched;
                } else {
                    continue;
                }
            }
            Maker::Touched => {
                after.deliveries[maker].1 = Stage::Waiting;
                after.makers[maker] = Maker::Committed;
                if model.locked_by == Some(Who::Maker(maker)) {
                    after.locked_by = None;
                }
            }
            Maker::Committed => continue,
        }
        next.push(after);
    }
    next.extend(worker_step(model));
    // The clock may go on at any time, a few seconds at once.
    if model.clock < 60 {
        let mut after = model.clone();
        after.clock += 5;
        next.push(after);
    }
    next
}

/// What the worker's next statement comes to, unless there is nothing for it to do.
fn worker_step(model: &Model) -> Option<Model> {
    let due = |model: &Model| {
        let waiting = model
            .deliveries
            .iter()
            .filter(|(_, stage)| *stage == Stage::Waiting);
        waiting.map(|(due, _)| *due).min()
    };
    let mut after = model.clone();
    match &model.worker {
        Worker::Idle => {
            if model.locked_by.is_none() && model.ready_at.is_some_and(|ready| ready <= model.clock) {
                after.locked_by = Some(Who::Worker);
                after.worker = Worker::Locked;
            } else {
                return None;
            }
        }
        Worker::Locked => {
            let mut leased = 0;
            for (due, stage) in &mut after.deliveries {
                if *stage == Stage::Waiting && *due <= model.clock {
                    *stage = Stage::Leased;
                    leased += 1;
                }
            }
            after.worker = Worker::Leased { leased };
        }
        Worker::Leased { leased } => {
            after.worker = Worker::Seen {
                leased: *leased,
                next_due: due(model),
            };
        }
        Worker::Seen { leased, next_due } => {
            let looked = Lane {
                idle_since: model.idle_since.map(at),
                ..lane("ws_a", "closed", None)
            }
            .after(at(model.clock), *leased, *leased, next_due.map(at), false);
            after.ready_at = looked.ready_at.map(|ready| ready.since(START).as_secs());
            after.idle_since = looked.idle_since.map(|since| since.since(START).as_secs());
            after.locked_by = None;
            after.worker = Worker::Idle;
        }
    }
    Some(after)
}

/// A state from which nothing more happens though a delivery that was committed waits.
fn stranded(is_careless: bool) -> (usize, Option<Model>) {
    let start = |due: [u64; MAKERS], ready_at, idle_since| Model {
        clock: 0,
        ready_at,
        idle_since,
        locked_by: None,
        deliveries: due.map(|due| (due, Stage::Absent)),
        makers: [Maker::Begins; MAKERS],
        worker: Worker::Idle,
    };
    let mut open: Vec<Model> = [[0, 0], [0, 20], [20, 0], [5, 25]]
        .into_iter()
        .flat_map(|due| {
            [
                (None, None),
                (Some(0), None),
                (Some(0), Some(0)),
                (Some(10), Some(0)),
            ]
            .map(|(ready_at, idle_since)| start(due, ready_at, idle_since))
        })
        .collect();
    let mut seen: HashSet<Model> = open.iter().cloned().collect();
    while let Some(model) = open.pop() {
        let after = steps(&model, is_careless);
        let waits = model.deliveries.iter().any(|(_, stage)| *stage == Stage::Waiting);
        if after.is_empty() && waits {
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
fn no_order_of_statements_strands_a_delivery() {
    let (states, stranded) = stranded(false);
    assert!(
        states > 5_000,
        "the model is too small to show anything: {states}"
    );
    assert_eq!(stranded, None);
}

#[test]
fn a_maker_that_does_not_touch_a_lane_that_is_ready_strands_its_delivery() {
    let (_, stranded) = stranded(true);
    assert!(
        stranded.is_some(),
        "the model does not see the fault that the lock is for"
    );
}
