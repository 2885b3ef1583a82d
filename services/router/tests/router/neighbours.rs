//! What one workspace's events or expressions cost the others.

use crate::yard::{EAGER, MESSAGES_ONLY, Yard, all_to, endpoint, environment, event, route, workspace};
use expression::{Jail, Job, Want};
use std::time::{Duration, Instant as Stopwatch};
use store::{Edit, Endpoint, Environment, NewEvent, Route, Workspace};
use wire::resource::{RouteSpec, Target};
use wire::{EndpointId, EnvironmentId, EventId, EventState, Instant, RouteId, WorkspaceId};

/// A second workspace, whose one route takes everything.
async fn other(yard: &Yard) -> WorkspaceId {
    let id = WorkspaceId::from_stored("ws_other");
    let (environment_id, endpoint_id) = (
        EnvironmentId::from_stored("env_other"),
        EndpointId::from_stored("ep_other"),
    );
    yard.edit(vec![
        Edit::Workspace(Workspace {
            id: id.clone(),
            slug: "other".to_owned(),
            ..workspace()
        }),
        Edit::Environment(Environment {
            id: environment_id.clone(),
            workspace_id: id.clone(),
            ..environment()
        }),
        Edit::Endpoint(Endpoint {
            id: endpoint_id.clone(),
            workspace_id: id.clone(),
            environment_id,
            ..endpoint("other", true)
        }),
        Edit::Route(Route {
            id: RouteId::from_stored("rt_other"),
            workspace_id: id.clone(),
            ..route((
                0,
                RouteSpec {
                    to: Target::Endpoint(endpoint_id),
                    ..all_to("other")
                },
            ))
        }),
    ])
    .await;
    id
}

async fn accept_of(yard: &Yard, workspace: &WorkspaceId) -> EventId {
    let event = NewEvent {
        workspace_id: workspace.clone(),
        ..event("x", b"{}")
    };
    let id = event.id;
    yard.accept_as(event, None).await;
    id
}

async fn is_routed(yard: &Yard, workspace: &WorkspaceId, id: EventId) -> bool {
    let found = yard.store().event(workspace, id).await.unwrap().unwrap();
    found.state == EventState::Routed
}

/// A filter that says yes after a tenth of a second or more.
async fn slow_filter() -> String {
    let jail = Jail::in_thread();
    let mut steps = 10_000;
    loop {
        let program = format!("reduce range({steps}) as $n (0; . + $n) | . > 0");
        let job = Job {
            program: program.as_str().into(),
            input: b"{}".as_slice().into(),
            want: Want::Boolean,
        };
        let began = Stopwatch::now();
        jail.evaluate(vec![job]).await.unwrap().remove(0).unwrap();
        if began.elapsed() > Duration::from_millis(100) {
            return program;
        }
        steps *= 2;
    }
}

#[tokio::test]
async fn slow_filters_of_one_workspace_hold_up_no_other() {
    let yard = Yard::embedded(&[MESSAGES_ONLY.as_slice(), &[("router.batch", "10")]].concat()).await;
    let other = other(&yard).await;
    yard.routes([RouteSpec {
        filter: Some(slow_filter().await),
        ..all_to("sink")
    }])
    .await;
    let mut slow = Vec::new();
    for _ in 0..1_000 {
        slow.push(yard.accept("x", b"{}").await);
    }
    for ids in slow.chunks(250) {
        yard.tell(ids).await;
    }
    let quick = accept_of(&yard, &other).await;
    yard.tell(&[quick]).await;
    yard.start_router();
    testkit::until("the other workspace's event is routed", async || {
        is_routed(&yard, &other, quick).await
    })
    .await;
    let last = yard.event(slow[999]).await;
    assert_eq!(
        last.state,
        EventState::Accepted,
        "a thousand slow ones are not done by then"
    );
}

#[tokio::test]
async fn a_sweep_passes_by_what_cannot_be_routed_now() {
    let yard = Yard::embedded(&[EAGER.as_slice(), &[("router.batch", "3")]].concat()).await;
    let other = other(&yard).await;
    let filter = ".ok == true";
    yard.routes([RouteSpec {
        filter: Some(filter.to_owned()),
        ..all_to("sink")
    }])
    .await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(yard.accept("x", br#"{"ok": true}"#).await);
    }
    let behind = accept_of(&yard, &other).await;
    let jail = Jail::in_thread();
    jail.suspend(filter);
    yard.start_router_with(jail);
    testkit::until("what is behind them is routed", async || {
        is_routed(&yard, &other, behind).await
    })
    .await;
    for id in waiting {
        assert_eq!(
            yard.event(id).await.state,
            EventState::Accepted,
            "it is decided when its filter is run again"
        );
    }
}

#[tokio::test]
async fn who_keeps_a_program_suspended_for_long_decides_what_becomes_of_its_events() {
    let yard = Yard::embedded(&EAGER).await;
    let filter = ".ok == true";
    yard.routes([RouteSpec {
        filter: Some(filter.to_owned()),
        ..all_to("sink")
    }])
    .await;
    let received_at = Instant::now() - Duration::from_mins(11);
    let old = NewEvent {
        received_at,
        ..event("x", br#"{"ok": true}"#)
    };
    let id = old.id;
    yard.accept_as(old, None).await;
    let jail = Jail::in_thread();
    jail.suspend(filter);
    yard.start_router_with(jail);
    let (_, routes) = yard.routed(id).await;
    assert_eq!(
        (&routes[0]["clause"], &routes[0]["value"]),
        (&"filter".into(), &"suspended".into()),
        "{routes}"
    );
}

#[tokio::test]
async fn a_message_that_is_longer_than_many_batches_is_routed() {
    let yard = Yard::embedded(&[MESSAGES_ONLY.as_slice(), &[("router.batch", "1")]].concat()).await;
    yard.routes([all_to("sink")]).await;
    let mut ids = Vec::new();
    for _ in 0..256 {
        ids.push(yard.accept("x", b"{}").await);
    }
    yard.tell(&ids).await;
    yard.start_router();
    for id in ids {
        yard.routed(id).await;
    }
}

#[tokio::test]
async fn what_the_ledger_does_not_take_now_is_counted_against_no_event() {
    let yard = Yard::distributed(&EAGER).await;
    yard.routes([all_to("sink")]).await;
    yard.execute("ALTER TABLE deliveries RENAME TO away");
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(yard.accept("x", b"{}").await);
    }
    yard.start_router();
    yard.tell(&ids).await;
    testkit::until("it was tried more often than an event may fail", async || {
        yard.number("SELECT xact_rollback AS value FROM pg_stat_database WHERE datname = current_database()")
            > 7
    })
    .await;
    for id in &ids {
        let event = yard.event(*id).await;
        assert_eq!((event.state, event.failures), (EventState::Accepted, 0));
    }
    yard.execute("ALTER TABLE away RENAME TO deliveries");
    for id in ids {
        assert_eq!(yard.routed(id).await.0.state, EventState::Routed);
    }
}

#[tokio::test]
async fn one_event_that_the_ledger_fails_at_is_put_aside_and_holds_up_no_other() {
    let yard = Yard::distributed(&EAGER).await;
    yard.routes([all_to("sink")]).await;
    let old = NewEvent {
        received_at: Instant::now() - Duration::from_mins(2),
        ..event("x", b"{}")
    };
    let bad = old.id;
    yard.accept_as(old, None).await;
    // What nobody has thought of: a fault that is not told of a row.
    yard.execute(&format!(
        "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.event_id = '{}' THEN RAISE EXCEPTION 'something odd'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER odd BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION odd()",
        bad.uuid()
    ));
    yard.start_router();
    testkit::until("it is put aside", async || {
        let good = yard.accept("x", b"{}").await;
        yard.tell(&[bad, good]).await;
        assert_eq!(yard.routed(good).await.0.state, EventState::Routed);
        yard.event(bad).await.state == EventState::Quarantined
    })
    .await;
}
