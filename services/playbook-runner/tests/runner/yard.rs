//! A ledger with a workspace `acme`, a conveyor, a server to call, and runners that can be killed.

use boot::{Platform, Process, Settings, Sources};
use broker::{Conveyor, RabbitSettings};
use bytes::Bytes;
use egress::{Client, Policy};
use expression::Jail;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::{
    AcceptQueue, Acceptance, Control, Controlled, Edit, Environment, KeyRing, NewEvent, NewRun, Playbook,
    QueueOptions, RoutedEvent, Run, StepRow, Store, Workspace,
};
use testkit::database::TestDatabase;
use testkit::receiver::Receiver;
use testkit::until;
use wire::resource::PlaybookSpec;
use wire::{
    EnvironmentId, EventId, EventState, Instant, Message, PlaybookId, Queue, Reference, RunId, RunState,
    WorkspaceId,
};

const EPOCH: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

pub(crate) struct Yard {
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) receiver: Receiver,
    accepts: AcceptQueue,
    pub(crate) database: TestDatabase,
}

/// A runner with a runtime of its own, as a process has one.
pub(crate) struct Runner {
    runtime: Option<tokio::runtime::Runtime>,
    _process: Process,
}

impl Runner {
    /// Ends it wherever it is, as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.end();
    }
}

impl Yard {
    /// On SQLite, with an in-process conveyor.
    pub(crate) async fn embedded() -> Self {
        let database = testkit::database::sqlite();
        let url = format!("sqlite:{}", database.url());
        Self::on(database, url, Conveyor::in_process(1_000)).await
    }

    /// On Postgres and RabbitMQ.
    pub(crate) async fn distributed() -> Self {
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
        Self::on(database, url, conveyor).await
    }

    async fn on(database: TestDatabase, url: String, conveyor: Conveyor) -> Self {
        let keys = KeyRing::parse(&[KeyRing::new_key("test", [7; 32])]).unwrap();
        let ledger = store::Settings {
            url: url.into(),
            max_connections: 8,
            acquire_timeout: Duration::from_secs(10),
        };
        let store = Store::connect(ledger, keys).await.unwrap();
        store.migrate().await.unwrap();
        let yard = Self {
            accepts: store.accept_queue(QueueOptions::default()).unwrap(),
            receiver: Receiver::start(),
            store,
            conveyor,
            database,
        };
        let edits = vec![Edit::Workspace(workspace()), Edit::Environment(environment())];
        yard.store.edit(edits, Instant::now()).await.unwrap();
        yard
    }

    /// Starts a runner; nothing but a sweep brings it runs unless it is told.
    pub(crate) fn start(&self) -> Runner {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let process = Process::new("runner-test", settings());
        let platform = Platform {
            settings: Arc::clone(&process.settings),
            store: self.store.clone(),
            conveyor: self.conveyor.clone(),
            shutdown: process.shutdown.clone(),
            tasks: process.tasks.clone(),
            health: process.health.clone(),
        };
        let egress = Client::new(egress::Settings {
            policy: Policy::new(["127.0.0.0/8".parse().unwrap()]),
            ..egress::Settings::default()
        });
        let inside = runtime.enter();
        let jail = Jail::in_thread_with(playbook::worker);
        hookyard_playbook_runner::start(&platform, jail, egress).unwrap();
        drop(inside);
        Runner {
            runtime: Some(runtime),
            _process: process,
        }
    }

    /// Has everybody taken for dead who was not seen just now, as 15 s would.
    pub(crate) async fn forget_the_dead(&self) {
        self.store.release_silent(Duration::ZERO, 1_000).await.unwrap();
    }

    /// Saves a playbook with these tasks; `{url}` is the receiver.
    pub(crate) async fn save(&self, tasks: &str) -> Playbook {
        self.save_as(playbook(&self.definition(tasks))).await
    }

    pub(crate) fn definition(&self, tasks: &str) -> String {
        let tasks = tasks.replace("{url}", &self.receiver.url());
        format!(
            "document: {{dsl: '1.0.3', namespace: acme, name: orders, version: '1.0.0'}}\n\
             use: {{secrets: [token, nested]}}\ndo:\n{tasks}"
        )
    }

    pub(crate) async fn save_as(&self, playbook: Playbook) -> Playbook {
        let edits = vec![Edit::Playbook(playbook.clone())];
        self.store.edit(edits, Instant::now()).await.unwrap();
        self.store
            .playbook(&workspace().id, "orders")
            .await
            .unwrap()
            .unwrap()
    }

    /// Records a run, and tells the runners.
    pub(crate) async fn run(&self, input: &Value) -> RunId {
        let id = self.record(input).await;
        self.tell(id).await;
        id
    }

    /// Records a run, as doors do, and tells nobody.
    pub(crate) async fn record(&self, input: &Value) -> RunId {
        let now = Instant::now();
        let event = event(now, None, input);
        let playbook_id = playbook("").id;
        let id = RunId::of(event.id, &playbook_id, 0);
        let routed = RoutedEvent {
            id: event.id,
            state: EventState::Routed,
            trace: Bytes::from_static(b"{}"),
            deliveries: Vec::new(),
            runs: vec![NewRun {
                project: None,
                template: None,
                trigger: wire::Trigger::Manual,
                id,
                workspace_id: workspace().id,
                playbook_id,
                route_id: None,
                generation: 0,
                input: Bytes::from(input.to_string()),
            }],
            gifts: Vec::new(),
            is_taken: false,
            at: now,
        };
        let acceptance = Acceptance {
            claim: None,
            event,
            routed: Some(routed),
        };
        self.accepts.accept(acceptance).await.unwrap();
        id
    }

    /// Records an event that nobody has routed.
    pub(crate) async fn accept(&self, event_type: &str, data: &Value) -> EventId {
        let event = event(Instant::now(), Some(event_type.to_owned()), data);
        let id = event.id;
        let acceptance = Acceptance {
            claim: None,
            event,
            routed: None,
        };
        self.accepts.accept(acceptance).await.unwrap();
        id
    }

    pub(crate) async fn tell(&self, id: RunId) {
        let message = Message::new(vec![Reference::Run { id }], None);
        self.conveyor.publish(Queue::Run, &message).await.unwrap();
    }

    pub(crate) async fn control(&self, id: RunId, control: Control) -> Controlled {
        let controlled = self
            .store
            .on_record(vec![])
            .control_run(&workspace().id, id, control, Instant::now())
            .await;
        controlled.unwrap()
    }

    /// Has a faulted run go on, and waits until it does.
    pub(crate) async fn retry(&self, id: RunId, fresh_keys: bool) {
        let wished = self.control(id, Control::Retry { fresh_keys }).await;
        assert_eq!(wished, Controlled::Wished);
        self.tell(id).await;
        until("the wish is taken in", async || {
            self.store.inbox(vec![id]).await.unwrap().is_empty()
        })
        .await;
    }

    pub(crate) async fn read(&self, id: RunId) -> Run {
        self.store.run(&workspace().id, id).await.unwrap().unwrap()
    }

    pub(crate) async fn in_state(&self, id: RunId, state: RunState) -> Run {
        let mut run = self.read(id).await;
        until(
            &format!("{id} is {state}, it was {} with {:?}", run.state, run.error),
            async || {
                run = self.read(id).await;
                assert!(
                    run.state == state || !run.state.is_final(),
                    "{id} is {} and not {state}: {:?}",
                    run.state,
                    run.error
                );
                run.state == state
            },
        )
        .await;
        run
    }

    /// Waits until nobody has a run.
    pub(crate) async fn parked(&self) {
        until("nobody has a run", async || {
            self.number("SELECT count(*) AS value FROM runs WHERE owner IS NOT NULL") == 0
        })
        .await;
    }

    /// Waits for a run to complete, and returns its output.
    pub(crate) async fn completed(&self, id: RunId) -> Value {
        let run = self.in_state(id, RunState::Completed).await;
        serde_json::from_slice(&run.output.unwrap()).unwrap()
    }

    /// A run's steps, which have no gaps.
    pub(crate) async fn steps(&self, id: RunId) -> Vec<StepRow> {
        let page = self.store.steps(&workspace().id, id, None, 200).await.unwrap();
        let numbers: Vec<i32> = page.rows.iter().map(|step| step.number).collect();
        assert_eq!(
            numbers,
            (1..=i32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>()
        );
        page.rows
    }

    /// As somebody else does to the ledger.
    pub(crate) fn execute(&self, sql: &str) {
        self.database.execute(sql);
    }

    /// The one number that `sql` yields as `value`.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.database.number(sql)
    }

    /// How often a run was kept.
    pub(crate) fn revision(&self, id: RunId) -> i64 {
        let id = if self.store.kind() == "postgres" {
            format!("'{}'", id.uuid())
        } else {
            format!("x'{}'", id.uuid().simple())
        };
        self.number(&format!("SELECT revision AS value FROM runs WHERE id = {id}"))
    }

    /// As 15 s would do to all runners but the one that began last.
    pub(crate) fn silence_all_but_the_latest(&self) {
        self.database.execute(
            "UPDATE workers SET seen_at = seen_at - interval '1 hour' WHERE started_at < (SELECT max(started_at) FROM workers)",
        );
    }

    /// Whether a text lies in the ledger, where somebody who stole it would find it.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let all = String::from_utf8_lossy(&self.database.raw()).into_owned();
        let hexadecimal = hex::encode(text);
        all.contains(text) || all.contains(&hexadecimal)
    }

    /// A receiver sees one body for each key.
    pub(crate) fn assert_one_body_for_each_key(&self) {
        let mut bodies = std::collections::HashMap::new();
        for request in self.receiver.requests() {
            let key = request.header("idempotency-key").unwrap().to_owned();
            let first = bodies.entry(key).or_insert_with(|| request.body.clone());
            assert_eq!(*first, request.body);
        }
    }
}

fn settings() -> Settings {
    let mut settings = Sources::new().load().unwrap();
    settings.playbook.sweep_every = Duration::from_millis(50);
    settings
}

fn event(now: Instant, event_type: Option<String>, body: &Value) -> NewEvent {
    NewEvent {
        event_type,
        content_type: Some("application/json".to_owned()),
        ..NewEvent::plain(
            EventId::new(now, rand_u128()),
            workspace().id,
            now,
            Bytes::from(body.to_string()),
        )
    }
}

fn rand_u128() -> u128 {
    EventId::generate().uuid().as_u128()
}

pub(crate) fn workspace() -> Workspace {
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

fn environment() -> Environment {
    Environment {
        id: EnvironmentId::from_stored("env_acme"),
        workspace_id: workspace().id,
        slug: "production".to_owned(),
        name: None,
        is_default: true,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

/// The one playbook, with this definition.
pub(crate) fn playbook(definition: &str) -> Playbook {
    Playbook {
        id: PlaybookId::from_stored("pb_orders"),
        workspace_id: workspace().id,
        number: 1,
        version: 1,
        operations: None,
        spec: PlaybookSpec {
            slug: "orders".to_owned(),
            number: Some(1),
            enabled: true,
            definition: definition.to_owned(),
            hook: None,
            target: wire::resource::RunTarget::default(),
            concurrency: None,
            runs: wire::resource::Ending::default(),
            concurrency_key: None,
            input_schema: None,
            secret_names: Vec::new(),
        },
        secret_hash: None,
        hook_hash: None,
        secrets: None,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}
