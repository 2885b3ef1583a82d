//! Every interleaving of a router that routes events and of runners that begin to wait for one.
//!
//! # Theory of operation
//!
//! Each actor is a list of steps, each of which is one transaction of the ledger: reads see all that was committed
//! before, writes happen at once. A sender inserts events. Each router reads an event, then the waits, decides by
//! [`decide`] and writes, with the checks that the ledger makes when it writes: the event is still accepted, it is no
//! other run's alone, the wait is still there. It tries a bounded number of times, and then leaves the event to a sweep:
//! the next router. Each runner commits its wait, looks back, decides by [`decide`] and gives, with the same checks.
//!
//! All states that can be reached are visited once, depth first; a state is the ledger and where each actor stands. Each
//! step brings its actor nearer to its end, so there are finitely many, and the test counts them against a bound.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod actors;
mod explore;
mod ledger;

use explore::{Setting, explore};

/// What is left over where everybody has ended.
#[test]
fn one_run_gets_its_event_whoever_looks_first() {
    let found = explore(Setting {
        runs: 1,
        events: 1,
        routers: 1,
        is_broadcast: false,
        looks_back: true,
    });
    for end in &found.ends {
        assert_eq!(end.inboxes(), [vec![0]], "{end:?}");
    }
    // Each side is needed: some orders end with the event at the run alone, some with routes that saw it as well.
    assert!(found.ends.iter().any(|end| !end.is_seen_by_routes(0)));
    assert!(found.ends.iter().any(|end| end.is_seen_by_routes(0)));
}

#[test]
fn without_looking_back_an_event_falls_between() {
    let found = explore(Setting {
        runs: 1,
        events: 1,
        routers: 1,
        is_broadcast: false,
        looks_back: false,
    });
    assert!(
        found.ends.iter().any(|end| end.inboxes() == [Vec::<u8>::new()]),
        "the model can tell"
    );
}

#[test]
fn of_two_runs_one_gets_the_event() {
    for routers in [1, 2] {
        let found = explore(Setting {
            runs: 2,
            events: 1,
            routers,
            is_broadcast: false,
            looks_back: true,
        });
        for end in &found.ends {
            let has = end.inboxes().iter().filter(|inbox| inbox.contains(&0)).count();
            assert_eq!(has, 1, "{end:?}");
            assert_eq!(end.waiting(), 1, "the other waits on: {end:?}");
        }
    }
}

#[test]
fn two_runs_share_two_events() {
    let found = explore(Setting {
        runs: 2,
        events: 2,
        routers: 2,
        is_broadcast: false,
        looks_back: true,
    });
    for end in &found.ends {
        let mut had: Vec<u8> = end.inboxes().concat();
        had.sort_unstable();
        assert_eq!(had, [0, 1], "{end:?}");
        assert_eq!(end.waiting(), 0, "{end:?}");
    }
}

#[test]
fn one_run_takes_one_of_two_events_and_swallows_no_other() {
    let found = explore(Setting {
        runs: 1,
        events: 2,
        routers: 2,
        is_broadcast: false,
        looks_back: true,
    });
    for end in &found.ends {
        let inboxes = end.inboxes();
        assert_eq!(inboxes[0].len(), 1, "{end:?}");
        let other = 1 - inboxes[0][0];
        assert!(
            end.is_seen_by_routes(other),
            "what nobody waited for is routed: {end:?}"
        );
    }
}

#[test]
fn a_broadcast_event_comes_to_both_and_to_the_routes() {
    let found = explore(Setting {
        runs: 2,
        events: 1,
        routers: 1,
        is_broadcast: true,
        looks_back: true,
    });
    for end in &found.ends {
        assert_eq!(end.inboxes(), [vec![0], vec![0]], "{end:?}");
        assert!(end.is_seen_by_routes(0), "{end:?}");
    }
}
