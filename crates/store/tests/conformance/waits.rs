//! The waitbox: who waits, and who gets what.

use crate::given::{self, accepted, delivery, routed, workspace};
use crate::on_both;
use crate::running::{commit, commits};
use crate::runs::started;
use crate::yard::Yard;
use bytes::Bytes;
use hookyard_store::{
    Committed, Edit, Gift, Given, Hold, QueueOptions, RoutedEvent, RunCommit, Store, WaitKey,
};
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;
use wire::{EventId, EventState, Instant, RunId, RunState};

pub(crate) const TYPE: &str = "payment.succeeded";

/// A UUID as a literal of this database.
fn literal(yard: &Yard, id: Uuid) -> String {
    if yard.is_postgres() {
        format!("'{id}'")
    } else {
        format!("x'{}'", id.simple())
    }
}

/// Bytes as a literal of this database.
fn bytes(yard: &Yard, text: &str) -> String {
    let hex = hex::encode(text);
    if yard.is_postgres() {
        format!("'\\x{hex}'")
    } else {
        format!("x'{hex}'")
    }
}

/// What a run waits for in these tests.
#[derive(Clone, Copy)]
struct Waits<'a> {
    effect: i32,
    filter: i32,
    correlation: &'a str,
    is_any: bool,
    is_broadcast: bool,
}

const EXCLUSIVE: Waits<'_> = Waits {
    effect: 1,
    filter: 0,
    correlation: "",
    is_any: true,
    is_broadcast: false,
};

const BROADCAST: Waits<'_> = Waits {
    is_broadcast: true,
    ..EXCLUSIVE
};

/// A parked run that began a minute ago, and so many milliseconds.
fn parked(yard: &Yard, number: u32) -> RunId {
    let began = Instant::now() - Duration::from_mins(1) + Duration::from_millis(u64::from(number));
    let run = RunId::new(began, u128::from(number));
    let (id, at) = (literal(yard, run.uuid()), yard.literal(began));
    yard.execute(&format!(
        "INSERT INTO runs (id, workspace_id, playbook_id, state, input, created_at, updated_at, trigger) \
         VALUES ({id}, 'ws_acme', 'pb_one', 'waiting', {}, {at}, {at}, 'route')",
        bytes(yard, "{}")
    ));
    run
}

fn wait(yard: &Yard, run: RunId, waits: Waits<'_>) {
    let of_shape = if waits.correlation.is_empty() { "" } else { "shape" };
    yard.execute(&format!(
        "INSERT INTO run_waits (run_id, effect, filter, workspace_id, event_type, shape, correlation, spec, is_any, \
         is_broadcast, created_at) VALUES ({}, {}, {}, 'ws_acme', '{TYPE}', {}, {}, '{{\"type\":\"{TYPE}\"}}', {}, {}, {})",
        literal(yard, run.uuid()),
        waits.effect,
        waits.filter,
        bytes(yard, of_shape),
        bytes(yard, waits.correlation),
        waits.is_any,
        waits.is_broadcast,
        yard.literal(Instant::now()),
    ));
}

fn waiting(yard: &Yard, number: u32, waits: Waits<'_>) -> RunId {
    let run = parked(yard, number);
    wait(yard, run, waits);
    run
}

fn gift(run_id: RunId, waits: Waits<'_>) -> Gift {
    Gift {
        run_id,
        effect: waits.effect,
        filter: waits.filter,
        is_any: waits.is_any,
        is_exclusive: !waits.is_broadcast,
    }
}

fn giving(event: EventId, gifts: Vec<Gift>) -> RoutedEvent {
    RoutedEvent {
        gifts,
        ..routed(event, vec![])
    }
}

async fn route(store: &Store, decisions: Vec<RoutedEvent>) -> Vec<bool> {
    let routing = store.routing_queue(QueueOptions::default()).unwrap();
    let answers = routing.route(decisions).await.unwrap();
    answers.into_iter().map(Result::unwrap).collect()
}

fn waits_left(yard: &Yard) -> i64 {
    yard.number("SELECT count(*) AS value FROM run_waits")
}

fn inbox(yard: &Yard) -> i64 {
    yard.number("SELECT count(*) AS value FROM run_inbox WHERE kind = 'message' AND taken_at IS NULL")
}

fn ready(yard: &Yard) -> i64 {
    yard.number("SELECT count(*) AS value FROM runs WHERE ready_at IS NOT NULL")
}

async fn state(yard: &Yard, event: EventId) -> EventState {
    yard.store
        .event(&workspace(), event)
        .await
        .unwrap()
        .unwrap()
        .state
}

fn key(correlation: &str, is_broadcast: bool, after: Option<(RunId, i32, i32)>) -> WaitKey {
    WaitKey {
        workspace_id: workspace(),
        event_type: TYPE.to_owned(),
        shape: if correlation.is_empty() {
            Vec::new()
        } else {
            b"shape".to_vec()
        },
        correlation: correlation.as_bytes().to_vec(),
        is_broadcast,
        after,
    }
}

on_both! {
    async fn an_event_comes_into_the_inbox_of_the_run_that_waits_and_its_listen_is_over(yard: &Yard) {
        let run = waiting(yard, 1, EXCLUSIVE);
        wait(yard, run, Waits { filter: 1, ..EXCLUSIVE });
        wait(yard, run, Waits { effect: 2, ..EXCLUSIVE });
        let event = accepted(&yard.store, 1, Instant::now()).await[0];
        assert_eq!(route(&yard.store, vec![giving(event, vec![gift(run, EXCLUSIVE)])]).await, [true]);
        assert_eq!(state(yard, event).await, EventState::Routed);
        assert_eq!(yard.store.given(vec![event]).await.unwrap(), [(event, run, true)]);
        assert_eq!((inbox(yard), ready(yard)), (1, 1));
        assert_eq!(waits_left(yard), 1, "the other listen of the run goes on");
        assert_eq!(yard.number("SELECT count(*) AS value FROM run_inbox WHERE effect = 1 AND filter = 0"), 1);
    }

    async fn a_listen_to_all_goes_on_with_its_other_filters(yard: &Yard) {
        let all = Waits { is_any: false, ..EXCLUSIVE };
        let run = waiting(yard, 1, all);
        wait(yard, run, Waits { filter: 1, ..all });
        let events = accepted(&yard.store, 2, Instant::now()).await;
        assert_eq!(route(&yard.store, vec![giving(events[0], vec![gift(run, all)])]).await, [true]);
        assert_eq!(waits_left(yard), 1);
        let other = gift(run, Waits { filter: 1, ..all });
        assert_eq!(route(&yard.store, vec![giving(events[1], vec![other])]).await, [true]);
        assert_eq!((waits_left(yard), inbox(yard)), (0, 2));
    }

    async fn an_event_whose_run_has_got_another_stays_accepted(yard: &Yard) {
        let run = waiting(yard, 1, EXCLUSIVE);
        let events = accepted(&yard.store, 3, Instant::now()).await;
        let of = |event| RoutedEvent {
            deliveries: vec![delivery(event, "one", Instant::now())],
            ..giving(event, vec![gift(run, EXCLUSIVE)])
        };
        // In one batch, and then one by one.
        let answers = route(&yard.store, vec![of(events[0]), of(events[1])]).await;
        assert_eq!(answers, [true, false]);
        assert_eq!(route(&yard.store, vec![of(events[2])]).await, [false]);
        for event in &events[1..] {
            assert_eq!(state(yard, *event).await, EventState::Accepted);
        }
        assert_eq!(inbox(yard), 1);
        assert_eq!(yard.number("SELECT count(*) AS value FROM deliveries"), 1);
    }

    async fn two_routers_that_race_for_one_wait_give_it_one_event(yard: &Yard) {
        for number in 1..=20 {
            let run = waiting(yard, number, EXCLUSIVE);
            let events = accepted(&yard.store, 2, Instant::now()).await;
            let others = yard.another_process().await;
            let (one, two) = tokio::join!(
                route(&yard.store, vec![giving(events[0], vec![gift(run, EXCLUSIVE)])]),
                route(&others, vec![giving(events[1], vec![gift(run, EXCLUSIVE)])]),
            );
            assert_eq!([one[0], two[0]].iter().filter(|won| **won).count(), 1, "{number}");
            let had = yard.store.given(events.clone()).await.unwrap();
            assert_eq!(had.len(), 1);
            let other = events.into_iter().find(|event| *event != had[0].0).unwrap();
            assert_eq!(state(yard, other).await, EventState::Accepted);
        }
    }

    async fn an_event_is_one_runs_alone_whoever_looks_back_at_once(yard: &Yard) {
        for number in 0..10 {
            let runs = [waiting(yard, 2 * number, EXCLUSIVE), waiting(yard, 2 * number + 1, EXCLUSIVE)];
            let event = accepted(&yard.store, 1, Instant::now()).await[0];
            let others = yard.another_process().await;
            let now = Instant::now();
            let (one, two, routed) = tokio::join!(
                yard.store.give(event, gift(runs[0], EXCLUSIVE), now),
                others.give(event, gift(runs[1], EXCLUSIVE), now),
                route(&yard.store, vec![giving(event, vec![gift(runs[0], EXCLUSIVE)])]),
            );
            let had = yard.store.given(vec![event]).await.unwrap();
            assert_eq!(had.len(), 1, "{one:?} {two:?} {routed:?}");
            let gave = [one.unwrap(), two.unwrap()].iter().filter(|given| **given == Given::Given).count();
            assert_eq!(gave + usize::from(routed[0]), 1);
        }
    }

    async fn what_a_run_has_taken_is_routed_by_whoever_knows_of_it_alone(yard: &Yard) {
        let run = waiting(yard, 1, EXCLUSIVE);
        let event = accepted(&yard.store, 1, Instant::now()).await[0];
        assert_eq!(yard.store.give(event, gift(run, EXCLUSIVE), Instant::now()).await.unwrap(), Given::Given);
        let unknowing = routed(event, vec![delivery(event, "one", Instant::now())]);
        assert_eq!(route(&yard.store, vec![unknowing]).await, [false]);
        assert_eq!(state(yard, event).await, EventState::Accepted);
        let knowing = RoutedEvent { is_taken: true, ..routed(event, vec![]) };
        assert_eq!(route(&yard.store, vec![knowing]).await, [true]);
        assert_eq!(yard.number("SELECT count(*) AS value FROM deliveries"), 0);
    }

    async fn a_run_that_goes_on_may_listen_where_its_version_does(yard: &Yard) {
        let may_listen = async || yard.store.may_listen(&workspace()).await.unwrap();
        for (version, definition) in [(1, "do: [{rest: {wait: PT1S}}]"), (2, "do: [{hear: {listen: {}}}]")] {
            yard.execute(&format!(
                "INSERT INTO playbook_versions (playbook_id, version, definition, operations, created_at) \
                 VALUES ('pb_one', {version}, '{definition}', '{{}}', {})",
                yard.literal(Instant::now())
            ));
        }
        parked(yard, 1);
        assert!(!may_listen().await);
        yard.execute("UPDATE runs SET version = 2");
        assert!(may_listen().await);
        yard.execute("UPDATE runs SET state = 'completed'");
        assert!(!may_listen().await);
        for number in 2..=100 {
            parked(yard, number);
        }
        assert!(!may_listen().await);
        parked(yard, 101);
        assert!(may_listen().await, "nobody looks at so many");
    }

    async fn a_run_that_begins_may_listen_where_the_version_in_force_does(yard: &Yard) {
        let could_listen = async || yard.store.could_listen(&workspace()).await.unwrap();
        yard.store.edit(given::tenant("acme"), Instant::now()).await.unwrap();
        let mut row = given::playbook("acme", "one", 1);
        assert!(!could_listen().await);
        for (definition, expected) in [("do: [{rest: {wait: PT1S}}]", false), ("do: [{hear: {listen: {}}}]", true), ("do: []", false)] {
            definition.clone_into(&mut row.spec.definition);
            yard.store.edit(vec![Edit::Playbook(row.clone())], Instant::now()).await.unwrap();
            assert_eq!(could_listen().await, expected, "{definition}");
        }
    }

    async fn looking_back_says_why_nothing_is_given(yard: &Yard) {
        let run = waiting(yard, 1, EXCLUSIVE);
        let events = accepted(&yard.store, 2, Instant::now()).await;
        let now = Instant::now();
        let give = |event| yard.store.give(event, gift(run, EXCLUSIVE), now);
        assert_eq!(give(EventId::generate()).await.unwrap(), Given::Taken, "it is not there any more");
        assert_eq!(give(events[0]).await.unwrap(), Given::Given);
        assert_eq!(give(events[1]).await.unwrap(), Given::Gone);
        wait(yard, run, EXCLUSIVE);
        assert_eq!(give(events[0]).await.unwrap(), Given::Taken, "one run gets one event once");
        let other = waiting(yard, 2, EXCLUSIVE);
        assert_eq!(yard.store.give(events[0], gift(other, EXCLUSIVE), now).await.unwrap(), Given::Taken);
        let listener = waiting(yard, 3, BROADCAST);
        assert_eq!(yard.store.give(events[0], gift(listener, BROADCAST), now).await.unwrap(), Given::Given);
    }

    async fn a_broadcast_event_comes_to_all_and_to_the_routes(yard: &Yard) {
        let runs: Vec<RunId> = (0..50).map(|number| waiting(yard, number, BROADCAST)).collect();
        let gone = parked(yard, 50);
        let event = accepted(&yard.store, 1, Instant::now()).await[0];
        let mut gifts: Vec<Gift> = runs.iter().map(|run| gift(*run, BROADCAST)).collect();
        gifts.insert(25, gift(gone, BROADCAST));
        let decision = RoutedEvent {
            deliveries: vec![delivery(event, "one", Instant::now())],
            ..giving(event, gifts)
        };
        assert_eq!(route(&yard.store, vec![decision]).await, [true]);
        let had: HashSet<RunId> = yard.store.given(vec![event]).await.unwrap().iter().map(|given| given.1).collect();
        assert_eq!(had, runs.into_iter().collect());
        assert_eq!((waits_left(yard), ready(yard)), (0, 50));
        assert_eq!(yard.number("SELECT count(*) AS value FROM deliveries"), 1);
    }

    async fn a_run_that_is_due_before_stays_so_and_one_with_an_owner_is_told_as_well(yard: &Yard) {
        let (due, owned) = (waiting(yard, 1, BROADCAST), waiting(yard, 2, BROADCAST));
        let early = Instant::from_unix_micros(1_790_000_000_000_000);
        yard.execute(&format!(
            "UPDATE runs SET ready_at = {} WHERE id = {}",
            yard.literal(early), literal(yard, due.uuid())
        ));
        let worker = literal(yard, Uuid::new_v4());
        yard.execute(&format!("UPDATE runs SET owner = {worker} WHERE id = {}", literal(yard, owned.uuid())));
        let event = accepted(&yard.store, 1, Instant::now()).await[0];
        let decision = giving(event, vec![gift(due, BROADCAST), gift(owned, BROADCAST)]);
        assert_eq!(route(&yard.store, vec![decision]).await, [true]);
        let at = yard.literal(early);
        assert_eq!(yard.number(&format!("SELECT count(*) AS value FROM runs WHERE ready_at = {at}")), 1);
        assert_eq!(ready(yard), 2);
    }

    async fn a_run_is_not_parked_over_an_event_that_it_is_given_meanwhile(yard: &Yard) {
        let queue = commits(yard);
        for _ in 0..20 {
            let (worker, id) = (Uuid::new_v4(), started(yard, 1).await[0]);
            let run = yard.store.claim_named(worker, Instant::now(), vec![id]).await.unwrap().remove(0);
            wait(yard, id, EXCLUSIVE);
            let event = accepted(&yard.store, 1, Instant::now()).await[0];
            let park = RunCommit { state: RunState::Waiting, hold: Hold::Parked(None), ..commit(&run, worker, "{}") };
            let (parked, given) = tokio::join!(
                queue.commit(park),
                route(&yard.store, vec![giving(event, vec![gift(id, EXCLUSIVE)])]),
            );
            assert_eq!((parked.unwrap(), given), (Committed::Kept(Vec::new()), vec![true]));
            let next = yard.store.claim_named(Uuid::new_v4(), Instant::now(), vec![id]).await.unwrap();
            assert_eq!(next.len(), 1, "whoever comes next finds it ready");
            assert_eq!(yard.store.inbox(vec![id]).await.unwrap().len(), 1);
        }
    }

    async fn each_shape_is_read_once_and_waits_by_what_an_event_yields(yard: &Yard) {
        for number in 0..6 {
            waiting(yard, number, Waits { correlation: ["a", "b", ""][number as usize % 3], ..EXCLUSIVE });
        }
        let listener = waiting(yard, 9, BROADCAST);
        let types = vec![
            (workspace(), "another.type".to_owned()), (workspace(), TYPE.to_owned()), (given::of("other"), TYPE.to_owned()),
        ];
        let shapes = yard.store.wait_shapes(types).await.unwrap();
        let mut found: Vec<_> = shapes.iter().map(|row| (row.asked, row.shape.as_slice())).collect();
        found.sort_unstable();
        assert_eq!(found, [(1, &b""[..]), (1, b"shape")]);

        let keys = vec![key("a", false, None), key("c", false, None), key("", true, None), key("", false, None)];
        let rows = yard.store.waits(keys, 10).await.unwrap();
        let of = |asked| rows.iter().filter(move |row| row.asked == asked).map(|row| row.run_id).collect::<Vec<_>>();
        assert_eq!((of(0).len(), of(1).len(), of(2), of(3).len()), (2, 0, vec![listener], 2));
        assert!(of(0).is_sorted(), "the oldest run first");
        assert!(rows.iter().all(|row| row.is_any && row.spec.contains(TYPE)));
        let first = yard.store.waits(vec![key("a", false, None)], 1).await.unwrap();
        assert_eq!(first[0].run_id, of(0)[0]);
        let rest = yard.store.waits(vec![key("a", false, Some((of(0)[0], 1, 0)))], 10).await.unwrap();
        assert_eq!(rest.iter().map(|row| row.run_id).collect::<Vec<_>>(), of(0)[1..]);
    }

    async fn looking_back_sees_the_newest_events_of_a_type_in_their_order(yard: &Yard) {
        let now = Instant::now();
        let old = accepted(&yard.store, 2, now - Duration::from_mins(10)).await;
        let new = accepted(&yard.store, 4, now).await;
        route(&yard.store, vec![routed(new[1], vec![])]).await;
        let since = EventId::new(now - Duration::from_mins(5), 0);
        let of = workspace();
        let look = |event_type: &str, limit| yard.store.events_since(&of, event_type.to_owned(), since, limit);
        let ids = |rows: Vec<(EventId, i32)>| rows.into_iter().map(|row| row.0).collect::<Vec<_>>();
        let found = look(TYPE, 10).await.unwrap();
        assert_eq!(found[0].1, 2, "the bytes of its body");
        assert_eq!(ids(found), new);
        assert_eq!(ids(look(TYPE, 3).await.unwrap()), new[1..]);
        assert!(look("another.type", 10).await.unwrap().is_empty());
        assert_eq!(yard.store.events_named(vec![old[0], new[1]]).await.unwrap().len(), 2);
    }

    async fn a_bad_gift_among_good_ones_fails_alone(yard: &Yard) {
        let runs: Vec<RunId> = (0..4).map(|number| waiting(yard, number, EXCLUSIVE)).collect();
        let events = accepted(&yard.store, 4, Instant::now()).await;
        let mut decisions: Vec<RoutedEvent> =
            events.iter().zip(&runs).map(|(event, run)| giving(*event, vec![gift(*run, EXCLUSIVE)])).collect();
        let mut bad = delivery(events[2], "one", Instant::now());
        bad.reason = Some("bad\0".to_owned());
        if !yard.is_postgres() {
            yard.execute("CREATE UNIQUE INDEX poison ON deliveries (workspace_id) WHERE reason LIKE 'bad%'");
            let twin = delivery(EventId::generate(), "two", Instant::now());
            let twin = hookyard_store::NewDelivery { reason: Some("bad".to_owned()), ..twin };
            yard.store.add_deliveries(events[0], vec![twin], Instant::now()).await.unwrap();
        }
        decisions[2].deliveries = vec![bad];
        decisions[2].trace = Bytes::from_static(b"{}");
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let answers = routing.route(decisions).await.unwrap();
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(matches!(answer, Ok(true)), number != 2, "{number}: {answer:?}");
        }
        assert_eq!((inbox(yard), waits_left(yard)), (3, 1), "neither the event nor the wait is gone");
    }
}
