use super::*;
use crate::rate::Rate;
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::Duration;
use wire::resource::RateLimit;

mod shares;

const BOUNDS: Bounds = Bounds {
    slots: 8,
    reserve: 0,
    window: 100,
    line: 6,
    patience: Duration::from_secs(10),
    waiting: 20,
    waiting_each: 20,
    recording: 5,
    bytes: 1_000,
};

const THREE_AT_A_TIME: Limits = Limits {
    concurrency: 3,
    rate: None,
};

fn endpoint(name: &str) -> EndpointId {
    EndpointId::from_stored(format!("ep_{name}"))
}

fn ticket(endpoint_name: &str, start_by: Instant) -> Ticket {
    Ticket {
        is_swept: false,
        is_probe: false,
        delivery: DeliveryId::generate(),
        lease: Uuid::from_u128(7),
        workspace: WorkspaceId::from_stored("ws_one"),
        endpoint: endpoint(endpoint_name),
        bytes: 10,
        start_by,
    }
}

/// Lines with these deliveries in them, the first of each endpoint first.
fn lines_of(bounds: Bounds, now: Instant, endpoints: &[(&str, usize)]) -> Lines<()> {
    let mut lines = Lines::new(bounds);
    for (name, count) in endpoints {
        for _ in 0..*count {
            let admitted = lines.admit(ticket(name, now + Duration::from_mins(1)), THREE_AT_A_TIME, ());
            assert_eq!(admitted, Admission::Held);
        }
    }
    lines
}

fn start_all(lines: &mut Lines<()>, now: Instant) -> Vec<Ticket> {
    std::iter::from_fn(|| lines.start(now))
        .map(|(ticket, ())| ticket)
        .collect()
}

fn names(tickets: &[Ticket]) -> Vec<&str> {
    tickets.iter().map(|ticket| ticket.endpoint.as_str()).collect()
}

#[test]
fn an_endpoint_takes_up_no_more_slots_than_its_concurrency() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[("slow", 5), ("fast", 2)]);
    let started = start_all(&mut lines, now);
    assert_eq!(
        names(&started),
        ["ep_slow", "ep_fast", "ep_slow", "ep_fast", "ep_slow"]
    );
    lines.finish(&started[0]);
    assert_eq!(names(&start_all(&mut lines, now)), ["ep_slow"]);
}

#[test]
fn all_endpoints_share_the_slots_in_turn() {
    let now = Instant::now();
    let bounds = Bounds { slots: 4, ..BOUNDS };
    let mut lines = lines_of(bounds, now, &[("a", 5), ("b", 5), ("c", 1)]);
    let started = start_all(&mut lines, now);
    assert_eq!(names(&started), ["ep_a", "ep_b", "ep_c", "ep_a"]);
    assert_eq!(lines.room(), 0);
    for ticket in &started {
        lines.finish(ticket);
    }
    assert_eq!(
        names(&start_all(&mut lines, now)),
        ["ep_b", "ep_a", "ep_b", "ep_a"]
    );
}

#[test]
fn a_full_line_turns_deliveries_away_and_other_lines_do_not() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[("hangs", 6)]);
    let late = now + Duration::from_mins(1);
    assert_eq!(
        lines.admit(ticket("hangs", late), THREE_AT_A_TIME, ()),
        Admission::NoRoom
    );
    assert_eq!(
        lines.admit(ticket("works", late), THREE_AT_A_TIME, ()),
        Admission::Held
    );
}

#[test]
fn a_line_that_is_more_than_half_full_is_left_out_of_sweeps_until_it_is_shorter() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[("busy", 6), ("idle", 3)]);
    assert_eq!(lines.crowded(), [endpoint("busy")]);
    assert!(!lines.relieved());
    // Three start, three wait: half.
    start_all(&mut lines, now);
    assert!(lines.crowded().is_empty());
    assert!(lines.relieved());
    assert!(!lines.relieved(), "it is said once");
}

#[test]
fn who_asked_for_room_is_told_when_there_is_some() {
    let now = Instant::now();
    let bounds = Bounds { slots: 2, ..BOUNDS };
    let mut lines = lines_of(bounds, now, &[("a", 2)]);
    let started = start_all(&mut lines, now);
    assert_eq!(lines.room(), 0);
    lines.finish(&started[0]);
    assert!(!lines.relieved(), "nobody asked");
    let mut lines = lines_of(bounds, now, &[("a", 2)]);
    let started = start_all(&mut lines, now);
    assert!(!lines.has_room_or_wants_it());
    lines.finish(&started[0]);
    assert!(lines.relieved());
    assert!(lines.has_room_or_wants_it());
    assert_eq!(lines.room(), 1);
}

#[test]
fn what_only_lacks_a_slot_takes_up_room_and_what_waits_for_its_endpoint_does_not() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[("hangs", 6)]);
    let left = BOUNDS.slots - THREE_AT_A_TIME.concurrency;
    assert_eq!(
        lines.room(),
        left.min(BOUNDS.recording),
        "none has started, and three will"
    );
    start_all(&mut lines, now);
    assert_eq!(lines.room(), left.min(BOUNDS.recording));
}

#[test]
fn a_reference_that_comes_twice_is_held_once() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[]);
    let first = ticket("a", now + Duration::from_mins(1));
    assert_eq!(lines.admit(first.clone(), THREE_AT_A_TIME, ()), Admission::Held);
    assert_eq!(lines.admit(first.clone(), THREE_AT_A_TIME, ()), Admission::Twice);
    let started = start_all(&mut lines, now);
    assert_eq!(lines.admit(first.clone(), THREE_AT_A_TIME, ()), Admission::Twice);
    assert_eq!(started.len(), 1);
    lines.finish(&first);
    assert_eq!(
        lines.admit(first, THREE_AT_A_TIME, ()),
        Admission::Held,
        "a retry may come back"
    );
}

#[test]
fn a_rate_limit_paces_its_own_line_alone() {
    let now = Instant::now();
    let one_a_second = Limits {
        concurrency: 3,
        rate: Some(Rate::of(RateLimit {
            per_second: 1.0,
            burst: None,
        })),
    };
    let bounds = Bounds {
        recording: BOUNDS.slots,
        ..BOUNDS
    };
    let mut lines = Lines::new(bounds);
    for _ in 0..3 {
        lines.admit(ticket("paced", now + Duration::from_mins(1)), one_a_second, ());
        lines.admit(ticket("free", now + Duration::from_mins(1)), THREE_AT_A_TIME, ());
    }
    let started = start_all(&mut lines, now);
    assert_eq!(names(&started), ["ep_paced", "ep_free", "ep_free", "ep_free"]);
    let next = lines.next_start().unwrap();
    assert_eq!(next, now + Duration::from_secs(1));
    assert_eq!(
        lines.room(),
        BOUNDS.slots - started.len(),
        "who waits for its rate takes up no room"
    );
    assert_eq!(start_all(&mut lines, now + Duration::from_millis(999)), []);
    assert_eq!(names(&start_all(&mut lines, next)), ["ep_paced"]);
}

#[test]
fn what_waited_for_too_long_is_taken_out_and_what_runs_is_not() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[("hangs", 5)]);
    let started = start_all(&mut lines, now);
    assert_eq!(lines.take_overdue(now + Duration::from_secs(59)), []);
    assert_eq!(lines.take_overdue(now + Duration::from_mins(1)).len(), 2);
    assert_eq!(lines.running(), 3);
    for ticket in &started {
        lines.finish(ticket);
    }
    assert_eq!(start_all(&mut lines, now), []);
}

#[test]
fn a_delivery_gives_its_slot_back_before_its_outcome_is_recorded() {
    let now = Instant::now();
    let bounds = Bounds { slots: 1, ..BOUNDS };
    let mut lines = lines_of(bounds, now, &[("a", 2)]);
    let first = start_all(&mut lines, now).remove(0);
    lines.answered(&first, true);
    assert_eq!(start_all(&mut lines, now).len(), 1);
    let again = lines.admit(first.clone(), THREE_AT_A_TIME, ());
    assert_eq!(again, Admission::Twice, "it is held until it is recorded");
    lines.finish(&first);
    lines.finish(&first);
    assert_eq!(lines.leases().len(), 1);
}

#[test]
fn nothing_starts_while_too_many_outcomes_wait_for_the_ledger() {
    let now = Instant::now();
    let bounds = Bounds {
        recording: 1,
        ..BOUNDS
    };
    let mut lines = lines_of(bounds, now, &[("a", 3)]);
    let (first, ()) = lines.start(now).unwrap();
    lines.answered(&first, true);
    assert_eq!(start_all(&mut lines, now), []);
    assert_eq!(lines.room(), 0);
    lines.finish(&first);
    assert_eq!(start_all(&mut lines, now).len(), 2);
}

#[test]
fn closed_lines_give_everything_back_and_take_nothing_more() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[("a", 5)]);
    start_all(&mut lines, now);
    assert_eq!(lines.close().len(), 2);
    let late = ticket("a", now + Duration::from_mins(1));
    assert_eq!(lines.admit(late, THREE_AT_A_TIME, ()), Admission::NoRoom);
    assert_eq!(lines.leases().len(), 3, "what runs is still held");
}

#[test]
fn large_bodies_close_the_room_before_the_slots_do() {
    let now = Instant::now();
    let mut lines: Lines<()> = Lines::new(BOUNDS);
    let large = Ticket {
        bytes: BOUNDS.bytes,
        ..ticket("a", now + Duration::from_mins(1))
    };
    lines.admit(large, THREE_AT_A_TIME, ());
    assert_eq!(lines.room(), 0);
    let more = ticket("b", now + Duration::from_mins(1));
    assert_eq!(lines.admit(more, THREE_AT_A_TIME, ()), Admission::NoRoom);
    let started = start_all(&mut lines, now);
    lines.finish(&started[0]);
    assert_eq!(lines.room(), BOUNDS.recording);
}

#[test]
fn a_paced_endpoint_has_no_longer_line_than_its_rate_works_off_in_time() {
    let now = Instant::now();
    let paced = Limits {
        concurrency: 100,
        rate: Some(Rate::of(RateLimit {
            per_second: 0.3,
            burst: None,
        })),
    };
    let mut lines: Lines<()> = Lines::new(BOUNDS);
    let held = (0..20)
        .map(|_| lines.admit(ticket("paced", now + Duration::from_secs(10)), paced, ()))
        .filter(|admitted| *admitted == Admission::Held)
        .count();
    assert_eq!(held, 4, "at once, and after 3.3, 6.7 and 10 s");
    assert_eq!(lines.crowded(), [endpoint("paced")]);
    let started = start_all(&mut lines, now + Duration::from_secs(1));
    assert_eq!(started.len(), 1);
    lines.finish(&started[0]);
    assert_eq!(lines.crowded().len(), 1, "three are more than half of four");
    let started = start_all(&mut lines, now + Duration::from_secs(5));
    lines.finish(&started[0]);
    assert!(lines.crowded().is_empty(), "a sweep may bring more");
}

#[test]
fn an_idle_line_is_forgotten_once_its_rate_is_unused() {
    let now = Instant::now();
    let paced = Limits {
        concurrency: 1,
        rate: Some(Rate::of(RateLimit {
            per_second: 1.0,
            burst: None,
        })),
    };
    let mut lines = Lines::new(BOUNDS);
    lines.admit(ticket("paced", now + Duration::from_mins(1)), paced, ());
    let started = start_all(&mut lines, now);
    lines.finish(&started[0]);
    lines.forget_idle(now);
    assert_eq!(
        lines.by_endpoint.len(),
        1,
        "else the next burst would be a burst too many"
    );
    lines.forget_idle(now + Duration::from_secs(1));
    assert_eq!(lines.by_endpoint.len(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Admit(u8),
    Start,
    Answer(prop::sample::Index, bool),
    Finish(prop::sample::Index),
    Wait(u16),
    TakeOverdue,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..4).prop_map(Step::Admit),
        3 => Just(Step::Start),
        3 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(index, well)| Step::Answer(index, well)),
        3 => any::<prop::sample::Index>().prop_map(Step::Finish),
        1 => (0_u16..3_000).prop_map(Step::Wait),
        1 => Just(Step::TakeOverdue),
    ]
}

proptest! {
    /// Whatever happens, in whatever order: every bound holds, and every delivery leaves exactly once.
    #[test]
    fn bounds_hold_and_nothing_is_lost(steps in proptest::collection::vec(step(), 1..200)) {
        let mut now = Instant::now();
        let mut lines = Lines::new(BOUNDS);
        let (mut waiting, mut running, mut recording) = (HashSet::new(), Vec::<Ticket>::new(), Vec::<Ticket>::new());
        let limits = |name: u8| Limits {
            concurrency: usize::from(name) + 1,
            rate: (name == 0).then(|| Rate::of(RateLimit { per_second: 2.0, burst: None })),
        };
        for step in steps {
            match step {
                Step::Admit(name) => {
                    let ticket = ticket(&name.to_string(), now + Duration::from_secs(5));
                    if lines.admit(ticket.clone(), limits(name), ()) == Admission::Held {
                        waiting.insert(ticket.delivery);
                    }
                }
                Step::Start => if let Some((ticket, ())) = lines.start(now) {
                    prop_assert!(waiting.remove(&ticket.delivery));
                    running.push(ticket);
                },
                Step::Answer(index, well) => if !running.is_empty() {
                    let ticket = running.swap_remove(index.index(running.len()));
                    lines.answered(&ticket, well);
                    recording.push(ticket);
                },
                Step::Finish(index) => if !recording.is_empty() {
                    lines.finish(&recording.swap_remove(index.index(recording.len())));
                },
                Step::Wait(millis) => now += Duration::from_millis(millis.into()),
                Step::TakeOverdue => for ticket in lines.take_overdue(now) {
                    prop_assert!(waiting.remove(&ticket.delivery));
                },
            }
            prop_assert!(running.len() <= BOUNDS.slots);
            prop_assert_eq!(lines.startable, lines.by_endpoint.values().map(|line| line.startable).sum::<usize>());
            prop_assert!(waiting.len() <= BOUNDS.waiting);
            prop_assert_eq!(lines.running(), running.len());
            prop_assert_eq!(lines.held.len(), running.len() + waiting.len() + recording.len());
            for name in 0..4_u8 {
                let id = endpoint(&name.to_string());
                let of_it = running.iter().filter(|ticket| ticket.endpoint == id).count();
                prop_assert!(of_it <= limits(name).concurrency);
            }
        }
        // Every line goes on to its end once slots and rates allow it.
        for _ in 0..1_000 {
            for ticket in running.drain(..).chain(recording.drain(..)) {
                lines.finish(&ticket);
            }
            while let Some((ticket, ())) = lines.start(now) {
                waiting.remove(&ticket.delivery);
                running.push(ticket);
            }
            now = lines.next_start().unwrap_or(now).max(now);
        }
        prop_assert!(waiting.is_empty(), "{} never started", waiting.len());
    }
}

#[test]
fn what_sweeps_bring_leaves_a_quarter_of_the_slots_to_first_attempts() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[]);
    let mut started = 0;
    while lines.room_for_swept() > 0 {
        let endpoint = format!("swept{started}");
        let swept = Ticket {
            is_swept: true,
            ..ticket(&endpoint, now + Duration::from_mins(1))
        };
        assert_eq!(lines.admit(swept, THREE_AT_A_TIME, ()), Admission::Held);
        assert!(lines.start(now).is_some());
        started += 1;
    }
    assert_eq!(started, 6);
    assert!(lines.room() > 0, "the rest is for what the router tells of");
}

#[test]
fn an_endpoint_begins_with_few_at_a_time_and_gets_more_as_it_answers() {
    let now = Instant::now();
    let bounds = Bounds {
        window: 1,
        recording: 100,
        ..BOUNDS
    };
    let mut lines = lines_of(bounds, now, &[("new", 6), ("hangs", 6)]);
    let first = start_all(&mut lines, now);
    assert_eq!(first.len(), 2, "one each");
    let of_new = |tickets: &[Ticket]| {
        tickets
            .iter()
            .find(|ticket| ticket.endpoint == endpoint("new"))
            .cloned()
            .unwrap()
    };
    lines.answered(&of_new(&first), true);
    lines.finish(&of_new(&first));
    let second = start_all(&mut lines, now);
    assert_eq!(second.len(), 2, "two of the one that answered");
    for ticket in &second {
        lines.answered(ticket, true);
        lines.finish(ticket);
    }
    assert_eq!(start_all(&mut lines, now).len(), 3, "and no more than it allows");
}

#[test]
fn an_attempt_that_failed_keeps_its_place_until_it_is_recorded_but_not_its_slot() {
    let now = Instant::now();
    let bounds = Bounds {
        slots: 3,
        window: 2,
        recording: 100,
        ..BOUNDS
    };
    let mut lines = lines_of(bounds, now, &[("down", 6), ("works", 3)]);
    let first = start_all(&mut lines, now);
    assert_eq!(names(&first), ["ep_down", "ep_works", "ep_down"]);
    for ticket in [&first[0], &first[2]] {
        lines.answered(ticket, false);
    }
    assert_eq!(
        names(&start_all(&mut lines, now)),
        ["ep_works"],
        "its circuit may have opened"
    );
    lines.finish(&first[0]);
    assert_eq!(
        names(&start_all(&mut lines, now)),
        ["ep_down"],
        "the window does not grow"
    );
}

#[test]
fn a_probe_stays_where_all_others_of_its_endpoint_are_given_back() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[("ill", 3), ("well", 1)]);
    let probe = Ticket {
        is_probe: true,
        ..ticket("ill", now + Duration::from_mins(1))
    };
    lines.admit(probe.clone(), THREE_AT_A_TIME, ());
    let back = lines.take_of(&endpoint("ill"));
    assert_eq!(names(&back), ["ep_ill"; 3]);
    let started: Vec<DeliveryId> = start_all(&mut lines, now)
        .iter()
        .map(|ticket| ticket.delivery)
        .collect();
    assert!(started.len() == 2 && started.contains(&probe.delivery));
}

#[test]
fn what_is_leased_anew_while_it_is_held_is_no_repetition() {
    let now = Instant::now();
    let mut lines = lines_of(BOUNDS, now, &[]);
    let first = ticket("one", now + Duration::from_mins(1));
    let again = Ticket {
        lease: Uuid::from_u128(8),
        ..first.clone()
    };
    assert_eq!(lines.admit(first.clone(), THREE_AT_A_TIME, ()), Admission::Held);
    assert_eq!(lines.admit(first.clone(), THREE_AT_A_TIME, ()), Admission::Twice);
    assert_eq!(
        lines.admit(again.clone(), THREE_AT_A_TIME, ()),
        Admission::NoRoom,
        "its lease must be given back"
    );
    lines.start(now);
    lines.finish(&first);
    assert_eq!(lines.admit(again, THREE_AT_A_TIME, ()), Admission::Held);
}

#[test]
fn a_rate_that_was_raised_holds_at_once() {
    let now = Instant::now();
    let later = now + Duration::from_mins(1);
    let paced = |per_second| Limits {
        concurrency: 3,
        rate: Some(Rate::of(RateLimit {
            per_second,
            burst: Some(1),
        })),
    };
    for raised in [paced(100.0), THREE_AT_A_TIME] {
        let mut lines = lines_of(BOUNDS, now, &[]);
        for started in [1, 0] {
            lines.admit(ticket("slow", later), paced(0.001), ());
            assert_eq!(start_all(&mut lines, now).len(), started);
        }
        assert!(lines.next_start().is_some(), "it waits for its rate");
        lines.admit(ticket("slow", later), raised, ());
        assert!(!start_all(&mut lines, now).is_empty(), "{raised:?}");
        start_all(&mut lines, now + Duration::from_secs(1));
        assert_eq!(lines.running(), 3, "{raised:?}");
    }
}
