//! What nobody asks for: the ledger's partitions ahead of time, what has expired out of the way, history whose
//! window is over, the batches of recoveries that run, and the gauges of what waits.
//!
//! Every console runs this; two that do the same at once do no harm.

use boot::Settings;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use wire::Instant;

/// How often partitions are looked after: on Postgres a missing day refuses every event.
const PARTITIONS_EVERY: Duration = Duration::from_hours(1);
/// How many days ahead: a week of a console that is down.
const DAYS_AHEAD: u32 = 7;
/// How often expired claims and visits to the portal are looked for.
const EXPIRED_EVERY: Duration = Duration::from_mins(1);
/// How many of them are forgotten in one transaction, which fresh requests may have to wait for.
const EXPIRED_AT_ONCE: i64 = 1_000;
/// The pause between two transactions while there are more: as many are forgotten in a second as can be accepted.
const PACE: Duration = Duration::from_millis(50);

/// Runs until the process stops. Whatever fails is logged and tried again the next time.
pub async fn run(store: Store, settings: Arc<Settings>, shutdown: boot::Shutdown) {
    let recovering = crate::recovering::run(store.clone(), shutdown.clone());
    let expiring = crate::expiring::run(store.clone(), settings.retention.clone(), shutdown.clone());
    // A router takes what has waited for once as long, so what has waited for twice is late by any reckoning.
    let patience = 2 * settings.router.sweep_after;
    let watching = crate::watching::run(store.clone(), patience, shutdown.clone());
    // Side by side: however much there is to forget, the days to come must be there.
    let (ahead, behind) = (
        keep_ahead(store.clone(), shutdown.clone()),
        forget(store, shutdown),
    );
    tokio::join!(ahead, behind, recovering, expiring, watching);
}

/// Makes partitions ahead of time.
async fn keep_ahead(store: Store, shutdown: boot::Shutdown) {
    let stopping = shutdown.stopping();
    let mut partitions = tokio::time::interval(PARTITIONS_EVERY);
    partitions.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = partitions.tick() => make_partitions(&store, Instant::now()).await,
        }
    }
}

/// Forgets what has expired.
async fn forget(store: Store, shutdown: boot::Shutdown) {
    let stopping = shutdown.stopping();
    let mut expired = tokio::time::interval(EXPIRED_EVERY);
    expired.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // What is in hand is one short transaction, so it is finished before the end is looked at.
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = expired.tick() => {
                while forget_expired(&store, Instant::now()).await {
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = tokio::time::sleep(PACE) => {}
                    }
                }
            }
        }
    }
}

async fn make_partitions(store: &Store, now: Instant) {
    match store.make_partitions(now, DAYS_AHEAD).await {
        Ok(made) if made.is_empty() => {}
        Ok(made) => tracing::info!(partitions = made.join(", "), "made partitions ahead of time"),
        Err(error) => {
            tracing::error!(
                error.chain = &error as &dyn std::error::Error,
                "partitions could not be made ahead of time; events are refused once the last one is full"
            );
        }
    }
}

/// Forgets some of what has expired; says whether there may be more.
async fn forget_expired(store: &Store, now: Instant) -> bool {
    let claims = store.forget_claims(now, EXPIRED_AT_ONCE).await;
    let sessions = store.forget_portal_sessions(now, EXPIRED_AT_ONCE).await;
    // Both are looked at, whatever became of the first.
    forgotten("claims", claims) | forgotten("portal sessions", sessions)
}

/// Whether as many were forgotten as may be at once.
fn forgotten(what: &'static str, count: Result<usize, store::Error>) -> bool {
    match count {
        Ok(count) => i64::try_from(count).is_ok_and(|count| count >= EXPIRED_AT_ONCE),
        Err(error) => {
            tracing::warn!(
                error.chain = &error as &dyn std::error::Error,
                "expired {what} could not be forgotten"
            );
            false
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bytes::Bytes;
    use store::{
        AcceptError, Acceptance, Accepted, Application, Edit, KeyRing, NewClaim, NewEvent, PortalSession,
        QueueOptions, Settings, Workspace,
    };
    use testkit::database;
    use wire::resource::{ApplicationSpec, PortalSpec, WorkspaceSpec};
    use wire::{ApplicationId, EventId, PortalSessionId, WorkspaceId};

    pub(crate) async fn connect(url: String) -> Store {
        let settings = Settings {
            url: url.into(),
            max_connections: 2,
            acquire_timeout: Duration::from_secs(10),
        };
        let store = Store::connect(settings, KeyRing::parse(&[]).unwrap())
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    }

    pub(crate) async fn accept(
        store: &Store,
        at: Instant,
        key: Option<&str>,
    ) -> Result<Accepted, AcceptError> {
        let event = NewEvent::plain(
            EventId::new(at, rand::random()),
            WorkspaceId::from_stored("ws_acme"),
            at,
            Bytes::new(),
        );
        let claim = key.map(|key| NewClaim {
            scope: "so_a".to_owned(),
            key: key.to_owned(),
            fingerprint: None,
            window: Duration::ZERO,
        });
        let queue = store.accept_queue(QueueOptions::default()).unwrap();
        queue
            .accept(Acceptance {
                routed: None,
                claim,
                event,
            })
            .await
    }

    fn settings() -> boot::Settings {
        let settings = [
            ("database.url", "sqlite:unused"),
            ("secrets.master_keys", "unused"),
        ];
        boot::Sources::new().with_arguments(settings).load().unwrap()
    }

    /// Makes the one visit of this test, which lasts an hour.
    async fn begin_visit(store: &Store, now: Instant) -> Result<(), store::Error> {
        let workspace_id = WorkspaceId::from_stored("ws_acme");
        let application_id = ApplicationId::from_stored("app_buyer");
        let customer = [
            Edit::Workspace(Workspace {
                id: workspace_id.clone(),
                slug: "acme".to_owned(),
                name: "Acme".to_owned(),
                accepting: true,
                spec: WorkspaceSpec::default(),
                created_at: now,
                updated_at: now,
            }),
            Edit::Application(Application {
                id: application_id.clone(),
                workspace_id: workspace_id.clone(),
                external_id: None,
                spec: ApplicationSpec {
                    name: "Buyer".to_owned(),
                    metadata: std::collections::BTreeMap::new(),
                    max_endpoints: None,
                    show_event_types: true,
                },
                created_at: now,
                updated_at: now,
            }),
        ];
        store.edit(customer.into(), now).await?;
        let visit = PortalSession {
            id: PortalSessionId::from_stored("ps_one"),
            application_id,
            workspace_id,
            spec: PortalSpec::default(),
            created_at: now,
            expires_at: now + Duration::from_hours(1),
        };
        store.on_record(vec![]).begin_portal_session(visit, [1; 32]).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn expired_claims_are_forgotten() {
        let database = database::sqlite();
        let store = connect(format!("sqlite:{}", database.url())).await;
        let now = Instant::now();
        accept(&store, now, Some("key")).await.unwrap();
        assert!(store.claim("so_a", "key").await.unwrap().is_some());
        // One that is left over is no reason to come back at once.
        assert!(!forget_expired(&store, now + Duration::from_hours(2)).await);
        assert!(store.claim("so_a", "key").await.unwrap().is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn visits_to_the_portal_that_are_over_are_forgotten() {
        let database = database::sqlite();
        let store = connect(format!("sqlite:{}", database.url())).await;
        let now = Instant::now();
        begin_visit(&store, now).await.unwrap();
        let twin = begin_visit(&store, now).await.unwrap_err();
        assert!(matches!(twin, store::Error::Taken { .. }), "{twin}");
        assert!(!forget_expired(&store, now + Duration::from_hours(1)).await);
        begin_visit(&store, now).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn partitions_are_made_while_there_is_always_more_to_forget() {
        let database = database::postgres();
        let store = connect(database.url().to_owned()).await;
        database.execute(
            "INSERT INTO claims (scope, key_hash, key, event_id, accepted_at, expires_at) \
             SELECT 'so_a', sha256(n::text::bytea), n::text, gen_random_uuid(), now(), now() - interval '2 hours' \
             FROM generate_series(1, 20000) AS n; \
             CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$; \
             CREATE TRIGGER slow AFTER DELETE ON claims FOR EACH STATEMENT EXECUTE FUNCTION slow(); \
             DO $$ DECLARE name text; BEGIN FOR name IN SELECT inhrelid::regclass FROM pg_inherits \
             WHERE inhparent = 'events'::regclass LOOP EXECUTE 'DROP TABLE ' || name; END LOOP; END $$",
        );
        let process = boot::Process::new("console-test", settings());
        let (ahead, behind) = (
            keep_ahead(store.clone(), process.shutdown.clone()),
            forget(store.clone(), process.shutdown.clone()),
        );
        let both = tokio::spawn(async move { tokio::join!(ahead, behind) });
        testkit::until("the days are there", async || {
            accept(&store, Instant::now(), None).await.is_ok()
        })
        .await;
        assert!(
            database.number("SELECT count(*) AS value FROM claims") > 0,
            "there is more to forget"
        );
        both.abort();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_week_of_partitions_is_made_ahead() {
        let database = database::postgres();
        let store = connect(database.url().to_owned()).await;
        let later = Instant::now() + Duration::from_hours(24 * 30);
        assert!(accept(&store, later, None).await.is_err());
        make_partitions(&store, later).await;
        assert_eq!(accept(&store, later, None).await.unwrap(), Accepted::Created);
        let last = later + Duration::from_hours(24 * 7);
        assert_eq!(accept(&store, last, None).await.unwrap(), Accepted::Created);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_ends_with_the_process() {
        let database = database::sqlite();
        let store = connect(format!("sqlite:{}", database.url())).await;
        let process = boot::Process::new("console-test", settings());
        process.tasks.spawn(
            "console.housekeeping",
            run(store, Arc::clone(&process.settings), process.shutdown.clone()),
        );
        process.shutdown.begin(boot::shutdown::Cause::Requested);
        let ended = tokio::time::timeout(testkit::DEADLINE, process.end()).await;
        assert_eq!(ended.unwrap(), boot::shutdown::Cause::Requested);
    }
}
