//! What happens while Postgres is away, is slow, or breaks connections in the middle of everything.

use crate::given::{deliveries, delivery, keyed, keyless, outcome, routed, workspace};
use crate::yard::{Yard, keyring};
use hookyard_store::{AcceptError, Accepted, Error, QueueError, QueueOptions, Settings, Store};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testkit::proxy::Proxy;
use uuid::Uuid;
use wire::{DeliveryState, Instant};

/// Where `url` leads, and the same URL to `via`.
fn redirected(url: &str, via: impl FnOnce(SocketAddr) -> SocketAddr) -> String {
    let (user, rest) = url.split_once('@').unwrap();
    let (place, database) = rest.split_once('/').unwrap();
    let server = place.to_socket_addrs().unwrap().next().unwrap();
    format!("{user}@{}/{database}", via(server))
}

/// A ledger behind a connection that can be cut.
async fn behind_a_proxy(yard: &Yard) -> (Proxy, Store) {
    let mut proxy = None;
    let url = redirected(yard.database.url(), |server| {
        let started = Proxy::start(server);
        let address = started.address();
        proxy = Some(started);
        address
    });
    let store = open(&format!("{url}?application_name=proxied")).await.unwrap();
    (proxy.unwrap(), store)
}

/// Cuts the connections, and waits until the server has seen it: what is sent from now on, it never gets.
async fn cut(yard: &Yard, proxy: &Proxy) {
    proxy.cut();
    let open = "SELECT count(*) AS value FROM pg_stat_activity WHERE application_name = 'proxied'";
    testkit::until("the server lost the connections", async || yard.number(open) == 0).await;
}

async fn refused(url: &str) -> Error {
    open(url).await.unwrap_err()
}

async fn open(url: &str) -> Result<Store, Error> {
    let settings = Settings {
        url: url.into(),
        max_connections: 4,
        acquire_timeout: Duration::from_secs(1),
    };
    Store::connect(settings, keyring(&[])).await
}

fn chain(error: &dyn std::error::Error) -> String {
    let shown = format!("{error:?} {error}");
    error
        .source()
        .map_or_else(|| shown.clone(), |source| format!("{shown} {}", chain(source)))
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_without_a_server_fails_in_time_and_works_again_after() {
    let yard = Yard::on_postgres().await;
    let (proxy, store) = behind_a_proxy(&yard).await;
    let queue = store.accept_queue(QueueOptions::default()).unwrap();
    queue.accept(keyed("before", "{}")).await.unwrap();
    cut(&yard, &proxy).await;
    let refused = tokio::time::timeout(testkit::DEADLINE, queue.accept(keyed("during", "{}"))).await;
    assert!(
        matches!(&refused, Ok(Err(AcceptError::Unavailable(error))) if error.is_transient()),
        "{refused:?}"
    );
    assert!(store.ping().await.unwrap_err().is_transient());
    proxy.restore();
    assert_eq!(
        queue.accept(keyed("during", "{}")).await.unwrap(),
        Accepted::Created,
        "it used up no key"
    );
    assert_eq!(
        queue.accept(keyed("after", "{}")).await.unwrap(),
        Accepted::Created
    );
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_rides_out_a_short_outage() {
    let yard = Yard::on_postgres().await;
    let (proxy, store) = behind_a_proxy(&yard).await;
    let queue = store.accept_queue(QueueOptions::default()).unwrap();
    queue.accept(keyless("{}")).await.unwrap();
    cut(&yard, &proxy).await;
    let answers: Vec<_> = (0..50)
        .map(|number| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.accept(keyed(&number.to_string(), "{}")).await })
        })
        .collect();
    testkit::until("the writer took the rows", async || queue.depth() < 50).await;
    proxy.restore();
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap(), Accepted::Created);
    }
    assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_neither_answers_nor_breaks_holds_no_caller_for_ever() {
    let yard = Yard::on_postgres().await;
    let (proxy, store) = behind_a_proxy(&yard).await;
    let queue = store.accept_queue(QueueOptions::default()).unwrap();
    queue.accept(keyless("{}")).await.unwrap();
    proxy.stall();
    let row = keyed("k", "{}");
    let id = row.event.id;
    let answer = tokio::time::timeout(testkit::DEADLINE, queue.accept(row)).await;
    assert!(
        matches!(answer, Ok(Err(AcceptError::Unavailable(_)))),
        "{answer:?}"
    );
    proxy.restore();
    testkit::until("what was under way is written after all", async || {
        yard.store.event(&workspace(), id).await.unwrap().is_some()
    })
    .await;
    assert_eq!(queue.accept(keyless("{}")).await.unwrap(), Accepted::Created);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_broken_in_mid_load_lose_and_double_nothing() {
    const CALLERS: u32 = 32;
    const EACH: u32 = 40;
    let yard = Yard::on_postgres().await;
    let queue = yard.accept_queue();
    let done = Arc::new(AtomicU32::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (queue, done) = (queue.clone(), Arc::clone(&done));
        callers.spawn(async move {
            for number in 0..EACH {
                // With a key and without: only ids tell a second try from a second request.
                let row = if number % 2 == 0 {
                    keyed(&format!("{caller}/{number}"), "{}")
                } else {
                    keyless("{}")
                };
                assert_eq!(queue.accept(row).await.unwrap(), Accepted::Created);
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for broken in 1..8 {
        testkit::until("an eighth more is done", async || {
            done.load(Ordering::Relaxed) >= broken * CALLERS * EACH / 8
        })
        .await;
        yard.database.disconnect_all();
    }
    callers.join_all().await;
    assert_eq!(
        yard.number("SELECT count(*) AS value FROM events"),
        i64::from(CALLERS * EACH)
    );
    assert_eq!(
        yard.number("SELECT count(*) AS value FROM claims"),
        i64::from(CALLERS * EACH / 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn routing_and_recording_survive_broken_connections() {
    let yard = Yard::on_postgres().await;
    let token = Uuid::new_v4();
    let now = Instant::now();
    let id = deliveries(&yard.store, |event| vec![delivery(event, "one", now)]).await[0];
    let (routing, outcomes) = (
        yard.store.routing_queue(QueueOptions::default()).unwrap(),
        yard.store.outcome_queue(QueueOptions::default()).unwrap(),
    );
    let event = crate::given::accepted(&yard.store, 1, now).await[0];
    yard.store
        .lease_due(now, 1, (token, Duration::from_secs(30)), vec![])
        .await
        .unwrap();
    // Both have a connection by now.
    routing
        .route(vec![routed(wire::EventId::generate(), vec![])])
        .await
        .unwrap();
    outcomes
        .record(outcome(id, Uuid::new_v4(), 1, DeliveryState::Failed))
        .await
        .unwrap();
    yard.database.disconnect_all();
    assert!(matches!(
        routing
            .route(vec![routed(event, vec![])])
            .await
            .unwrap()
            .as_slice(),
        [Ok(true)]
    ));
    assert!(
        outcomes
            .record(outcome(id, token, 1, DeliveryState::Delivered))
            .await
            .unwrap()
            .moved
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_broken_connections_heals() {
    let yard = Yard::on_postgres().await;
    let many: Vec<_> = (0..8).map(|_| yard.store.ping()).collect();
    for ping in many {
        ping.await.unwrap();
    }
    yard.database.disconnect_all();
    for _ in 0..8 {
        yard.store.ping().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_a_connection_that_broke_meanwhile_fails_at_most_once_and_says_that_it_may_be_tried_again()
 {
    let yard = Yard::on_postgres().await;
    let (proxy, store) = behind_a_proxy(&yard).await;
    let claim = || store.claim_runs(Uuid::new_v4(), Instant::now(), 1);
    let due = || {
        store.leased_jobs(vec![(
            wire::DeliveryId::from_uuid(Uuid::new_v4()),
            Uuid::new_v4(),
        )])
    };
    claim().await.unwrap();
    due().await.unwrap();
    cut(&yard, &proxy).await;
    proxy.restore();
    // Both went over one connection. After a while it is asked whether it is still there, and then nobody notices.
    if let Err(error) = claim().await {
        assert!(error.is_transient(), "{error}");
    }
    due().await.unwrap();
    claim().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_held_for_too_long_is_a_transient_failure() {
    let yard = Yard::on_postgres().await;
    let held = yard.hold_accepting();
    let answer = yard.accept_queue().accept(keyed("k", "{}")).await;
    assert!(
        matches!(&answer, Err(AcceptError::Unavailable(error)) if error.is_transient()),
        "{answer:?}"
    );
    let events = crate::given::accepted(&yard.another_process().await, 0, Instant::now()).await;
    assert!(events.is_empty());
    let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
    let answer = routing
        .route(vec![routed(wire::EventId::generate(), vec![])])
        .await;
    let failed = matches!(&answer, Ok(answers) if matches!(&answers[..], [Err(error)] if matches!(error, hookyard_store::Unwritten::Unavailable(_))));
    assert!(failed || matches!(answer, Err(QueueError::Unknown)), "{answer:?}");
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_has_the_password_in_it() {
    let yard = Yard::on_postgres().await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (_, place) = yard.database.url().split_once('@').unwrap();
    let wrong_password = format!("postgres://hookyard:hunter2@{place}");
    let unreachable = redirected(&wrong_password, |_| nowhere);
    for url in [
        wrong_password.as_str(),
        unreachable.as_str(),
        "postgres://user:hun/ter2@127.0.0.1/db",
        "mysql://user:hunter2@127.0.0.1/db",
        "hunter2",
    ] {
        let error = refused(url).await;
        let shown = chain(&error);
        assert!(!shown.contains("hunter2") && !shown.contains("ter2"), "{shown}");
    }
    let shown = format!("{:?}", yard.store);
    let (user_and_password, _) = yard.database.url().split_once('@').unwrap();
    let password = user_and_password.rsplit_once(':').unwrap().1;
    assert!(!shown.contains(password), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_none_is_refused_with_the_way_out() {
    for (url, way_out) in [
        ("mysql://localhost/db", "postgres://user:password@host/database"),
        ("sqlite:", "sqlite:path/to/file.db"),
        ("sqlite::memory:", "path of a file"),
        ("postgres:localhost", "postgres://user:password@host"),
        ("", "postgres://"),
    ] {
        let error = refused(url).await;
        assert!(!error.is_transient());
        assert!(error.to_string().contains(way_out), "{url}: {error}");
    }
}
