use super::*;
use crate::housekeeping::tests::{accept, connect};
use store::{Actor, AuditEntry, Edit, EventFilter, QueueOptions, RoutedEvent, Workspace};
use testkit::database;
use wire::resource::WorkspaceSpec;
use wire::{AuditId, EventState};

const DAY: Duration = Duration::from_hours(24);

fn settings(history: Option<Duration>) -> Retention {
    Retention {
        history,
        rejections: history,
        audit: history,
        sweep_every: DAY,
    }
}

/// An event of a time, routed to nobody.
async fn event(store: &Store, at: Instant) {
    accept(store, at, None).await.unwrap();
    let (waiting, _) = store.unrouted_events(at + DAY, vec![], 10).await.unwrap();
    let routed = waiting.iter().map(|event| RoutedEvent {
        id: event.id,
        state: EventState::Routed,
        trace: bytes::Bytes::from_static(b"{}"),
        deliveries: Vec::new(),
        runs: Vec::new(),
        gifts: Vec::new(),
        is_taken: false,
        at,
    });
    let queue = store.routing_queue(QueueOptions::default()).unwrap();
    queue.route(routed.collect()).await.unwrap();
}

async fn events(store: &Store) -> usize {
    let acme = WorkspaceId::from_stored("ws_acme");
    let page = store
        .events(&acme, EventFilter::default(), None, 100)
        .await
        .unwrap();
    page.rows.len()
}

async fn keeps_its_own(store: &Store, retention: Option<Duration>) {
    let now = Instant::now();
    let acme = Workspace {
        id: WorkspaceId::from_stored("ws_acme"),
        slug: "acme".to_owned(),
        name: "Acme".to_owned(),
        accepting: true,
        spec: WorkspaceSpec {
            retention,
            ..WorkspaceSpec::default()
        },
        created_at: now,
        updated_at: now,
    };
    store.edit(vec![Edit::Workspace(acme)], now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspaces_window_counts_where_it_is_shorter_than_the_yards() {
    let database = database::sqlite();
    let store = connect(format!("sqlite:{}", database.url())).await;
    let now = Instant::now();
    for age in [1, 5, 15, 40] {
        event(&store, now - DAY * age).await;
    }
    keeps_its_own(&store, None).await;
    pass(&store, &settings(None), now).await.unwrap();
    assert_eq!(events(&store).await, 4, "nobody wants anything gone");
    pass(&store, &settings(Some(DAY * 30)), now).await.unwrap();
    assert_eq!(events(&store).await, 3);
    keeps_its_own(&store, Some(DAY * 60)).await;
    pass(&store, &settings(Some(DAY * 10)), now).await.unwrap();
    assert_eq!(
        events(&store).await,
        2,
        "a longer one than the yard's keeps nothing"
    );
    keeps_its_own(&store, Some(DAY * 3)).await;
    pass(&store, &settings(Some(DAY * 10)), now).await.unwrap();
    assert_eq!(events(&store).await, 1);
    keeps_its_own(&store, Some(DAY)).await;
    let later = now + Duration::from_secs(1);
    pass(&store, &settings(None), later).await.unwrap();
    assert_eq!(events(&store).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_keeps_its_history_for_less_but_never_its_audit() {
    let database = database::sqlite();
    let store = connect(format!("sqlite:{}", database.url())).await;
    let now = Instant::now();
    keeps_its_own(&store, Some(DAY)).await;
    let acme = WorkspaceId::from_stored("ws_acme");
    let entries = [5_u32, 15, 40].map(|age| AuditEntry {
        id: AuditId::new(now - DAY * age, rand::random()),
        ..AuditEntry::new(&acme, &Actor::operator(), "endpoint.create", &"ep_a")
    });
    store.on_record(entries.to_vec()).keep().await.unwrap();
    let kept = async |window: Option<Duration>| {
        pass(&store, &settings(window), now).await.unwrap();
        store.audit(&acme, None, 10).await.unwrap().rows.len()
    };
    assert_eq!(kept(None).await, 3);
    assert_eq!(kept(Some(DAY * 30)).await, 2);
    assert_eq!(kept(Some(DAY * 10)).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_nothing_needs_is_dropped_whole() {
    let database = database::postgres();
    let store = connect(database.url().to_owned()).await;
    let now = Instant::now();
    store.make_partitions(now - DAY * 40, 1).await.unwrap();
    event(&store, now - DAY * 40).await;
    event(&store, now).await;
    pass(&store, &settings(Some(DAY * 30)), now).await.unwrap();
    assert_eq!(events(&store).await, 1);
    assert!(
        accept(&store, now - DAY * 40, None).await.is_err(),
        "its partition is gone"
    );
    assert!(store.drop_partitions(now - DAY * 30).await.unwrap().is_empty());
}
