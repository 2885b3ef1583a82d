//! Lanes of many: whose turn it is, which sleep, and in what order they are locked.

use crate::given::{self, deliveries, delivery, endpoint_id, workspace};
use crate::lanes::{HOLD, lease, of};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Edit, Full};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;
use wire::Instant;

on_both! {
    async fn a_tenant_with_a_backlog_keeps_no_small_one_waiting(yard: &Yard) {
        let now = Instant::now();
        let old = now - Duration::from_hours(1);
        deliveries(&yard.store, |event| {
            (0..3_000_u32).map(|number| of("large", event, &format!("large{}", number % 100), number.into(), old)).collect()
        })
        .await;
        deliveries(&yard.store, |event| {
            (0..20_u32).map(|number| of(&format!("small{number}"), event, &format!("small{number}"), 0, now)).collect()
        })
        .await;
        let (_, swept) = lease(yard, now, 60).await;
        let small = swept.jobs.iter().filter(|job| job.workspace_id != given::of("large")).count();
        assert_eq!(small, 20, "each is served by the first sweep");
        assert!(swept.more);
    }

    async fn each_tenant_has_its_turn_before_another_has_a_second_one_however_little_room_there_is(yard: &Yard) {
        let now = Instant::now();
        for (name, tenants, room) in [("many", 128, 32), ("few", 40, 8), ("odd", 10, 7)] {
            // Each has a backlog in two lanes.
            deliveries(&yard.store, |event| {
                (0..tenants * 6).map(|number: u32| {
                    let tenant = number % tenants;
                    let endpoint = format!("{name}{tenant}-{}", number / tenants % 2);
                    of(&format!("{name}{tenant:03}"), event, &endpoint, number.into(), now)
                }).collect()
            })
            .await;
            let mut turns = Vec::new();
            while turns.len() < usize::try_from(tenants * 3).unwrap() {
                let (_, swept) = lease(yard, now, room).await;
                assert_eq!(swept.jobs.len(), usize::try_from(room).unwrap(), "{name}");
                turns.extend(swept.jobs.into_iter().map(|job| job.workspace_id));
                let mut counts: HashMap<_, usize> = HashMap::new();
                for tenant in &turns {
                    *counts.entry(tenant).or_default() += 1;
                }
                let most = counts.values().max().unwrap();
                let all = turns.len() / usize::try_from(tenants).unwrap();
                assert!(counts.len() == usize::try_from(tenants).unwrap() || *most == 1, "{name}: {counts:?}");
                assert!(*most <= all + 1 && (all == 0 || *counts.values().min().unwrap() >= all), "{name}: {counts:?}");
            }
            yard.execute("UPDATE deliveries SET state = 'delivered'; UPDATE endpoint_lanes SET ready_at = NULL");
        }
    }

    async fn tenants_whose_endpoints_have_no_slot_here_take_no_turns(yard: &Yard) {
        let now = Instant::now();
        deliveries(&yard.store, |event| {
            (0..9_u32).map(|number| of(&format!("t{number}"), event, &format!("e{number}"), 0, now)).collect()
        })
        .await;
        let full: Vec<_> = (0..8).map(|number| endpoint_id(&format!("e{number}"))).collect();
        let swept = yard.store.lease_due(now, 4, (Uuid::new_v4(), HOLD), full).await.unwrap();
        assert_eq!(swept.jobs.len(), 1);
        assert_eq!(swept.jobs[0].endpoint_id, endpoint_id("e8"));
    }

    async fn workspaces_that_can_use_nothing_are_passed_by_and_nobody_looks_on_for_them(yard: &Yard) {
        let now = Instant::now();
        deliveries(&yard.store, |event| {
            (0..3_u32).map(|number| of(&format!("t{number}"), event, &format!("e{number}"), 0, now)).collect()
        })
        .await;
        let full = |names: &[&str]| Full {
            endpoints: Vec::new(),
            workspaces: names.iter().map(|name| given::of(name)).collect(),
        };
        let sweep = async |full: Full| yard.store.lease_due(now, 1, (Uuid::new_v4(), HOLD), full).await.unwrap();
        let swept = sweep(full(&["t0", "t1"])).await;
        assert_eq!(swept.jobs.iter().map(|job| job.workspace_id.clone()).collect::<Vec<_>>(), [given::of("t2")]);
        let swept = sweep(full(&["t0", "t1", "t2"])).await;
        assert!(swept.jobs.is_empty() && !swept.more);
    }

    async fn every_delivery_of_many_lanes_is_leased_once(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| {
            (0..500_u32)
                .map(|number| of(&format!("t{}", number % 7), event, &format!("e{}", number % 130), number.into(), now))
                .collect()
        })
        .await;
        let mut got = Vec::new();
        loop {
            let (_, swept) = lease(yard, now, 40).await;
            if swept.jobs.is_empty() {
                break;
            }
            got.extend(swept.jobs.iter().map(|job| job.delivery_id));
        }
        assert_eq!(got.len(), made.len());
        assert_eq!(got.into_iter().collect::<HashSet<_>>(), made.into_iter().collect());
    }

    async fn a_lane_that_sleeps_though_a_delivery_waits_is_woken(yard: &Yard) {
        let now = Instant::now();
        let due = now - Duration::from_hours(1);
        let made = deliveries(&yard.store, |event| {
            ["asleep", "late", "missing", "later", "held", "open", "soon"]
                .into_iter()
                .map(|name| of("acme", event, name, 0, if name == "later" { now + HOLD } else { due }))
                .collect()
        })
        .await;
        // As a process leaves them that knows of no lanes.
        for (set, name) in [
            ("ready_at = NULL".to_owned(), "asleep"),
            (format!("ready_at = {}", yard.literal(now + Duration::from_hours(9))), "late"),
            ("ready_at = NULL".to_owned(), "later"),
            (format!("ready_at = NULL, held_at = {}", yard.literal(now)), "held"),
            ("ready_at = NULL, circuit = 'open'".to_owned(), "open"),
            (format!("ready_at = {}", yard.literal(now)), "soon"),
        ] {
            yard.execute(&format!("UPDATE endpoint_lanes SET {set} WHERE endpoint_id = 'ep_{name}'"));
        }
        yard.execute("DELETE FROM endpoint_lanes WHERE endpoint_id = 'ep_missing'");
        let (mut woken, mut after) = (0, None);
        loop {
            let awake = yard.store.wake_lanes(after, 2, now).await.unwrap();
            woken += awake.woken;
            after = awake.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(woken, 4);
        let (_, swept) = lease(yard, now, 100).await;
        let mut found: Vec<_> = swept.jobs.iter().map(|job| job.delivery_id).collect();
        let mut expected = vec![made[0], made[1], made[2], made[6]];
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        let (_, swept) = lease(yard, now + HOLD, 100).await;
        assert_eq!(swept.jobs.iter().map(|job| job.delivery_id).collect::<Vec<_>>(), [made[3]]);
        assert_eq!(yard.store.wake_lanes(None, 100, now).await.unwrap().woken, 0);
    }
}

/// Whoever changes an endpoint locks its row first, and then its lane; and of several, the lanes in the order of their ids.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_no_edit_waits_with_a_lane_in_its_hands() {
    let yard = Yard::on_postgres().await;
    let now = Instant::now();
    let mut edits = given::tenant("acme");
    let endpoints = ["one", "two"].map(|name| given::endpoint("acme", name));
    edits.extend(endpoints.clone().map(Edit::Endpoint));
    yard.store.edit(edits, now).await.unwrap();
    let made = deliveries(&yard.store, |event| {
        vec![delivery(event, "one", now), delivery(event, "two", now)]
    });
    assert_eq!(made.await.len(), 2);
    let [one, two] = endpoints.map(|mut endpoint| {
        endpoint.spec.enabled = false;
        endpoint
    });
    let hold = Edit::Hold {
        endpoint: one.id.clone(),
        workspace: workspace(),
        reason: "paused",
    };
    let waits = "SELECT count(*) AS value FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for (edits, held, wanted) in [
        (
            vec![hold, Edit::Endpoint(one.clone()).over(Some(one.updated_at))],
            "SELECT FROM endpoints WHERE id = 'ep_one' FOR UPDATE",
            "ep_one",
        ),
        (
            vec![Edit::Endpoint(two), Edit::Endpoint(one)],
            "SELECT FROM endpoint_lanes WHERE endpoint_id = 'ep_one' FOR UPDATE",
            "ep_two",
        ),
    ] {
        let mut other = yard.raw();
        other.execute(&format!("BEGIN; SET LOCAL lock_timeout = '1s'; {held}"));
        let store = yard.store.clone();
        let editing = tokio::spawn(async move { store.edit(edits, now).await });
        testkit::until("the edit waits", async || yard.number(waits) == 1).await;
        other.execute(&format!(
            "UPDATE endpoint_lanes SET updated_at = now() WHERE endpoint_id = '{wanted}'; COMMIT"
        ));
        editing.await.unwrap().unwrap();
    }
    let lane = yard.store.lane(endpoint_id("one")).await.unwrap();
    assert_eq!(lane.held.unwrap().reason, "paused");
}
