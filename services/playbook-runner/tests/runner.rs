//! The runner on real ledgers and conveyors: every run ends as faulted, and says why.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

use boot::shutdown::Cause;
use boot::{Platform, Process, Sources};
use broker::{Conveyor, RabbitSettings};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::{
    AcceptQueue, Acceptance, Edit, KeyRing, NewEvent, NewRun, QueueOptions, RoutedEvent, RoutingQueue, Run,
    Store, Workspace,
};
use testkit::database::TestDatabase;
use wire::{
    EventId, EventState, Instant, Message, PlaybookId, Queue, Reference, RunId, RunState, WorkspaceId,
};

const EPOCH: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

struct Yard {
    store: Store,
    conveyor: Conveyor,
    accepts: AcceptQueue,
    routes: RoutingQueue,
    process: Process,
    _database: TestDatabase,
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.process.shutdown.begin(Cause::Requested);
    }
}

impl Yard {
    async fn embedded(sweep_every: Duration) -> Self {
        let database = testkit::database::sqlite();
        let url = format!("sqlite:{}", database.url());
        Self::on(database, url, Conveyor::in_process(100), sweep_every).await
    }

    async fn distributed(sweep_every: Duration) -> Self {
        let database = testkit::database::postgres();
        let url = database.url().to_owned();
        let broker = testkit::broker::rabbitmq();
        let settings = RabbitSettings {
            namespace: broker.namespace().to_owned(),
            queue_expiry: Some(Duration::from_mins(2)),
            ..RabbitSettings::new(broker.url().to_owned())
        };
        let conveyor = Conveyor::rabbit(&settings).unwrap();
        conveyor.connected().await;
        Self::on(database, url, conveyor, sweep_every).await
    }

    /// With a runner that sweeps at this pace.
    async fn on(database: TestDatabase, url: String, conveyor: Conveyor, sweep_every: Duration) -> Self {
        let keys = KeyRing::parse(&[KeyRing::new_key("test", [7; 32])]).unwrap();
        let ledger = store::Settings {
            url: url.into(),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(3),
        };
        let store = Store::connect(ledger, keys).await.unwrap();
        store.migrate().await.unwrap();
        let edits = vec![Edit::Workspace(workspace())];
        store.edit(edits, Instant::now()).await.unwrap();
        let mut settings = Sources::new().load().unwrap();
        settings.playbook.sweep_every = sweep_every;
        let process = Process::new("runner-test", settings);
        let platform = Platform {
            settings: Arc::clone(&process.settings),
            store: store.clone(),
            conveyor: conveyor.clone(),
            shutdown: process.shutdown.clone(),
            tasks: process.tasks.clone(),
            health: process.health.clone(),
        };
        hookyard_playbook_runner::start(&platform).unwrap();
        Self {
            accepts: store.accept_queue(QueueOptions::default()).unwrap(),
            routes: store.routing_queue(QueueOptions::default()).unwrap(),
            store,
            conveyor,
            process,
            _database: database,
        }
    }

    /// Records a run, as gateway and router do, and tells nobody.
    async fn run(&self) -> RunId {
        let now = Instant::now();
        let event = NewEvent {
            id: EventId::generate(),
            workspace_id: workspace().id,
            source_id: None,
            event_type: None,
            verified: None,
            received_at: now,
            method: "POST".to_owned(),
            query: None,
            remote_address: None,
            headers: Bytes::from_static(b"[]"),
            content_type: None,
            body: Bytes::from_static(b"{}"),
            idempotency_key: None,
            traceparent: None,
        };
        let playbook_id = PlaybookId::from_stored("pb_onboarding");
        let id = RunId::of(event.id, &playbook_id, 0);
        let routed = RoutedEvent {
            id: event.id,
            state: EventState::Routed,
            gifts: Vec::new(),
            is_taken: false,
            trace: Bytes::from_static(b"{}"),
            deliveries: Vec::new(),
            runs: vec![NewRun {
                project: None,
                template: None,
                generation: 0,
                trigger: wire::Trigger::Route,
                id,
                workspace_id: workspace().id,
                playbook_id,
                route_id: None,
                input: Bytes::from_static(br#"{"name":"Ada"}"#),
            }],
            at: now,
        };
        self.accepts
            .accept(Acceptance {
                routed: None,
                claim: None,
                event,
            })
            .await
            .unwrap();
        let written = self.routes.route(vec![routed]).await.unwrap();
        assert!(written[0].as_ref().unwrap());
        id
    }

    async fn tell(&self, ids: &[RunId]) {
        let references = ids.iter().map(|id| Reference::Run { id: *id }).collect();
        let message = Message::new(references, None);
        self.conveyor.publish(Queue::Run, &message).await.unwrap();
    }

    /// Waits until a run is parked.
    async fn parked(&self, id: RunId) -> Run {
        let mut run = self.store.run(&workspace().id, id).await.unwrap().unwrap();
        testkit::until(&format!("{id} is parked"), async || {
            run = self.store.run(&workspace().id, id).await.unwrap().unwrap();
            run.state != RunState::Pending
        })
        .await;
        assert_eq!(run.state, RunState::Faulted);
        run
    }
}

fn workspace() -> Workspace {
    Workspace {
        spec: wire::resource::WorkspaceSpec::default(),
        id: WorkspaceId::from_stored("ws_acme"),
        slug: "acme".to_owned(),
        name: "Acme".to_owned(),
        accepting: true,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

#[tokio::test]
async fn a_run_that_a_message_names_is_parked_with_an_error_that_says_why() {
    let yard = Yard::embedded(Duration::from_hours(1)).await;
    let id = yard.run().await;
    yard.tell(&[id, id]).await;
    let run = yard.parked(id).await;
    let error: Value = serde_json::from_str(&run.error.unwrap()).unwrap();
    assert_eq!(error["type"], "urn:hookyard:error:no-engine");
    assert_eq!(error["title"], "no engine yet");
    assert_eq!(run.input, br#"{"name":"Ada"}"#, "nothing of it is lost");
    assert!(run.ended_at.is_some());
}

#[tokio::test]
async fn runs_that_no_message_names_are_swept() {
    let yard = Yard::embedded(Duration::from_millis(20)).await;
    let mut ids = Vec::new();
    for _ in 0..130 {
        ids.push(yard.run().await);
    }
    for id in ids {
        yard.parked(id).await;
    }
}

#[tokio::test]
async fn on_postgres_and_rabbitmq_a_queue_that_is_emptied_loses_no_run() {
    let yard = Yard::distributed(Duration::from_millis(200)).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let id = yard.run().await;
        yard.tell(&[id]).await;
        ids.push(id);
        if number % 5 == 0 {
            yard.conveyor.purge(Queue::Run).await.unwrap();
        }
    }
    for id in ids {
        yard.parked(id).await;
    }
}
