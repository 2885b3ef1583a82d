//! A ledger with a workspace `acme`, a conveyor, and a router when it is wanted.

use boot::shutdown::Cause;
use boot::{Platform, Process, Sources};
use broker::{Consumer, Conveyor, RabbitSettings};
use bytes::Bytes;
use expression::Jail;
use serde_json::Value;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;
use store::{
    AcceptQueue, Acceptance, Delivery, DeliveryFilter, Edit, Endpoint, Environment, Event, KeyRing, NewEvent,
    Playbook, QueueOptions, Route, RoutedEvent, Run, Store, Workspace,
};
use testkit::database::TestDatabase;
use wire::resource::{EndpointSpec, PlaybookSpec, RouteSpec, Target};
use wire::{
    Change, EndpointId, EnvironmentId, EventId, EventState, Instant, Message, PlaybookId, Queue, Reference,
    RouteId, SourceId, WorkspaceId,
};

const EPOCH: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

/// Sweeps that find everything at once, for tests of what no message names.
pub(crate) const EAGER: [(&str, &str); 2] = [("router.sweep_after", "0s"), ("router.sweep_every", "50ms")];

/// No sweeps, for tests of what a message brings.
pub(crate) const MESSAGES_ONLY: [(&str, &str); 1] = [("router.sweep_every", "1h")];

pub(crate) struct Yard {
    pub(crate) platform: Platform,
    process: Process,
    accepts: AcceptQueue,
    database: TestDatabase,
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.process.shutdown.begin(Cause::Requested);
    }
}

impl Yard {
    /// On SQLite, with an in-process conveyor.
    pub(crate) async fn embedded(settings: &[(&str, &str)]) -> Self {
        Self::with(Conveyor::in_process(1_000), settings).await
    }

    /// On SQLite, with this conveyor.
    pub(crate) async fn with(conveyor: Conveyor, settings: &[(&str, &str)]) -> Self {
        let database = testkit::database::sqlite();
        let url = format!("sqlite:{}", database.url());
        Self::on(database, url, conveyor, settings).await
    }

    /// On Postgres and RabbitMQ.
    pub(crate) async fn distributed(settings: &[(&str, &str)]) -> Self {
        let database = testkit::database::postgres();
        let url = database.url().to_owned();
        Self::on(database, url, rabbit(), settings).await
    }

    /// On a ledger at `url`.
    pub(crate) async fn on(
        database: TestDatabase,
        url: String,
        conveyor: Conveyor,
        settings: &[(&str, &str)],
    ) -> Self {
        let keys = KeyRing::parse(&[KeyRing::new_key("test", [7; 32])]).unwrap();
        let ledger = store::Settings {
            url: url.into(),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(3),
        };
        let store = Store::connect(ledger, keys).await.unwrap();
        store.migrate().await.unwrap();
        let settings = Sources::new()
            .with_arguments(settings.iter().copied())
            .load()
            .unwrap();
        let process = Process::new("router-test", settings);
        let platform = Platform {
            settings: Arc::clone(&process.settings),
            store: store.clone(),
            conveyor,
            shutdown: process.shutdown.clone(),
            tasks: process.tasks.clone(),
            health: process.health.clone(),
        };
        let yard = Self {
            accepts: store.accept_queue(QueueOptions::default()).unwrap(),
            platform,
            process,
            database,
        };
        yard.edit(vec![
            Edit::Workspace(workspace()),
            Edit::Environment(environment()),
            Edit::Endpoint(endpoint("sink", true)),
            Edit::Endpoint(endpoint("held", false)),
            Edit::Playbook(playbook()),
        ])
        .await;
        yard
    }

    pub(crate) fn store(&self) -> &Store {
        &self.platform.store
    }

    pub(crate) fn conveyor(&self) -> &Conveyor {
        &self.platform.conveyor
    }

    pub(crate) fn start_router(&self) {
        self.start_router_with(Jail::in_thread());
    }

    pub(crate) fn start_router_with(&self, jail: Jail) {
        hookyard_router::start(&self.platform, jail).unwrap();
    }

    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.database.number(sql)
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.database.execute(sql);
    }

    /// Saves, and tells the router as the console would.
    pub(crate) async fn edit(&self, edits: Vec<Edit>) {
        self.store().edit(edits, Instant::now()).await.unwrap();
        self.conveyor().connected().await;
        self.conveyor()
            .announce(&Change { workspace: None })
            .await
            .unwrap();
    }

    /// Saves routes in this order.
    pub(crate) async fn routes(&self, specs: impl IntoIterator<Item = RouteSpec>) {
        let routes = specs.into_iter().enumerate().map(route).map(Edit::Route);
        self.edit(routes.collect()).await;
    }

    /// Records an event and tells nobody.
    pub(crate) async fn accept(&self, event_type: &str, body: &'static [u8]) -> EventId {
        let event = event(event_type, body);
        let id = event.id;
        self.accept_as(event, None).await;
        id
    }

    /// Records an event with what its door has decided.
    pub(crate) async fn accept_as(&self, event: NewEvent, routed: Option<RoutedEvent>) {
        let row = Acceptance {
            routed,
            claim: None,
            event,
        };
        self.accepts.accept(row).await.unwrap();
    }

    /// Names events to the router.
    pub(crate) async fn tell(&self, ids: &[EventId]) {
        let references = ids.iter().map(|id| Reference::Event { id: *id }).collect();
        let message = Message::new(references, None);
        self.conveyor().publish(Queue::Route, &message).await.unwrap();
    }

    /// Records an event, tells the router, and waits until it is routed.
    pub(crate) async fn send(&self, event_type: &str, body: &'static [u8]) -> (Event, Value) {
        let id = self.accept(event_type, body).await;
        self.tell(&[id]).await;
        self.routed(id).await
    }

    /// Waits until an event is no longer accepted only; answers with it and its trace's routes.
    pub(crate) async fn routed(&self, id: EventId) -> (Event, Value) {
        let mut event = self.event(id).await;
        testkit::until(&format!("{id} is routed"), async || {
            event = self.event(id).await;
            event.state != EventState::Accepted
        })
        .await;
        let trace: Value = serde_json::from_slice(event.trace.as_ref().unwrap()).unwrap();
        assert_eq!(trace["eventId"], id.to_string());
        (event, trace["routes"].clone())
    }

    pub(crate) async fn event(&self, id: EventId) -> Event {
        self.store().event(&workspace().id, id).await.unwrap().unwrap()
    }

    pub(crate) async fn deliveries(&self, event: EventId) -> Vec<Delivery> {
        let filter = DeliveryFilter {
            event_id: Some(event),
            ..DeliveryFilter::default()
        };
        let page = self.store().deliveries(&workspace().id, filter, None, 100).await;
        page.unwrap().rows
    }

    pub(crate) async fn runs(&self) -> Vec<Run> {
        self.store()
            .runs(&workspace().id, None, None, 100)
            .await
            .unwrap()
            .rows
    }

    /// Stands in for a worker.
    pub(crate) fn consume(&self, queue: Queue) -> Consumer {
        let prefetch = NonZeroU16::new(1_000).unwrap();
        self.conveyor().consume(queue, prefetch)
    }
}

/// The next references of a queue, acknowledged.
pub(crate) async fn next(consumer: &mut Consumer) -> Vec<Reference> {
    let received = tokio::time::timeout(testkit::DEADLINE, consumer.next()).await;
    let received = received.expect("a message comes").unwrap();
    let references = received.message.refs.clone();
    received.ack();
    references
}

/// A namespace of its own at the test broker, gone soon after the test.
pub(crate) fn rabbit() -> Conveyor {
    let broker = testkit::broker::rabbitmq();
    Conveyor::rabbit(&RabbitSettings {
        namespace: broker.namespace().to_owned(),
        queue_expiry: Some(Duration::from_mins(2)),
        ..RabbitSettings::new(broker.url().to_owned())
    })
    .unwrap()
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

pub(crate) fn environment() -> Environment {
    Environment {
        name: None,
        id: EnvironmentId::from_stored("env_acme"),
        workspace_id: workspace().id,
        slug: "production".to_owned(),
        is_default: true,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

pub(crate) fn endpoint(name: &str, enabled: bool) -> Endpoint {
    Endpoint {
        application_id: None,
        credential: None,
        client_key: None,
        id: EndpointId::from_stored(format!("ep_{name}")),
        workspace_id: workspace().id,
        environment_id: environment().id,
        spec: EndpointSpec {
            enabled,
            ..EndpointSpec::to("https://hooks.example.com/")
        },
        secrets: Vec::new(),
        created_at: EPOCH,
        updated_at: EPOCH,
        deleted_at: None,
    }
}

fn playbook() -> Playbook {
    Playbook {
        version: 1,
        operations: None,
        hook_hash: None,
        secret_hash: None,
        secrets: None,
        id: PlaybookId::from_stored("pb_onboarding"),
        workspace_id: workspace().id,
        number: 1,
        spec: PlaybookSpec {
            secret_names: Vec::new(),
            concurrency: None,
            runs: wire::resource::Ending::default(),
            concurrency_key: None,
            hook: None,
            input_schema: None,
            target: wire::resource::RunTarget::default(),
            slug: "onboarding".to_owned(),
            number: Some(1),
            enabled: true,
            definition: String::new(),
        },
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

pub(crate) fn route((place, spec): (usize, RouteSpec)) -> Route {
    Route {
        subscription: None,
        id: RouteId::from_stored(format!("rt_{}", spec.name)),
        workspace_id: workspace().id,
        position: i32::try_from(place).unwrap(),
        spec,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

/// A route that takes everything to `ep_<endpoint>`.
pub(crate) fn all_to(endpoint: &str) -> RouteSpec {
    RouteSpec {
        name: endpoint.to_owned(),
        enabled: true,
        from: Vec::new(),
        event_types: Vec::new(),
        filter: None,
        transform: None,
        delay: Duration::ZERO,
        delivery: wire::resource::DeliverySpec::default(),
        to: Target::Endpoint(EndpointId::from_stored(format!("ep_{endpoint}"))),
    }
}

/// An event of source `stripe`.
pub(crate) fn event(event_type: &str, body: &'static [u8]) -> NewEvent {
    NewEvent {
        source_id: Some(SourceId::from_stored("so_stripe")),
        event_type: Some(event_type.to_owned()),
        content_type: Some("application/json".to_owned()),
        ..NewEvent::plain(
            EventId::generate(),
            workspace().id,
            Instant::now(),
            Bytes::from_static(body),
        )
    }
}
