//! A ledger with a workspace `acme`, a conveyor, a receiver, and workers when they are wanted.

use boot::shutdown::Cause;
use boot::{Platform, Process, Settings, Sources};
use broker::{Conveyor, RabbitSettings};
use bytes::Bytes;
use egress::{Client, Policy};
use std::sync::Arc;
use std::time::Duration;
use store::{
    AcceptQueue, Acceptance, Attempt, Delivery, Edit, Endpoint, Environment, KeyRing, NewDelivery, NewEvent,
    QueueOptions, RoutedEvent, RoutingQueue, SigningSecret, Store, Workspace,
};
use testkit::database::TestDatabase;
use testkit::receiver::Receiver;
use uuid::Uuid;
use wire::resource::{DeliverySpec, EndpointSpec, RetrySpec};
use wire::{
    Change, DeliveryId, DeliveryState, EndpointId, EnvironmentId, EventId, EventState, Instant, Message,
    Queue, Reference, RouteId, SourceId, WorkspaceId,
};

const EPOCH: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

/// Sweeps that find what is due at once.
pub(crate) const EAGER: Duration = Duration::from_millis(50);

/// No sweeps, for tests of what a message brings.
pub(crate) const NEVER: Duration = Duration::from_hours(1);

/// What every endpoint here signs with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) struct Yard {
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) receiver: Receiver,
    settings: Settings,
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

/// Where a yard stands.
pub(crate) struct Ground {
    pub(crate) database: TestDatabase,
    pub(crate) url: String,
    pub(crate) conveyor: Conveyor,
}

impl Ground {
    /// SQLite and queues in this process.
    pub(crate) fn embedded() -> Self {
        let database = testkit::database::sqlite();
        Self {
            url: format!("sqlite:{}", database.url()),
            database,
            conveyor: Conveyor::in_process(10_000),
        }
    }

    /// Postgres and RabbitMQ.
    pub(crate) fn distributed() -> Self {
        let database = testkit::database::postgres();
        let broker = testkit::broker::rabbitmq();
        let settings = RabbitSettings {
            namespace: broker.namespace().to_owned(),
            queue_expiry: Some(Duration::from_mins(2)),
            ..RabbitSettings::new(broker.url().to_owned())
        };
        Self {
            url: database.url().to_owned(),
            database,
            conveyor: Conveyor::rabbit(&settings).unwrap(),
        }
    }
}

/// The settings of a worker that sweeps at this pace.
pub(crate) fn settings(sweep_every: Duration) -> Settings {
    let mut settings = Sources::new().load().unwrap();
    settings.delivery.sweep_every = sweep_every;
    settings
}

impl Yard {
    /// On SQLite, with an in-process conveyor.
    pub(crate) async fn embedded(settings: Settings) -> Self {
        Self::on(Ground::embedded(), settings).await
    }

    pub(crate) async fn on(ground: Ground, settings: Settings) -> Self {
        let Ground {
            database,
            url,
            conveyor,
        } = ground;
        let keys = KeyRing::parse(&[KeyRing::new_key("test", [7; 32])]).unwrap();
        let ledger = store::Settings {
            url: url.into(),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(3),
        };
        let store = Store::connect(ledger, keys).await.unwrap();
        store.migrate().await.unwrap();
        let yard = Self {
            accepts: store.accept_queue(QueueOptions::default()).unwrap(),
            routes: store.routing_queue(QueueOptions::default()).unwrap(),
            store,
            conveyor,
            receiver: Receiver::start(),
            process: Process::new("worker-test", settings.clone()),
            settings,
            _database: database,
        };
        yard.edit(vec![
            Edit::Workspace(workspace()),
            Edit::Environment(environment()),
        ])
        .await;
        yard
    }

    /// Starts a worker that ends with the yard.
    pub(crate) fn start_worker(&self) {
        self.start_in(&self.process);
    }

    /// Starts a worker in a process of its own.
    pub(crate) fn start_process(&self) -> Process {
        let process = Process::new("worker-test", self.settings.clone());
        self.start_in(&process);
        process
    }

    fn start_in(&self, process: &Process) {
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
        hookyard_delivery_worker::start(&platform, egress).unwrap();
    }

    /// Saves, and tells the workers as the console would.
    pub(crate) async fn edit(&self, edits: Vec<Edit>) {
        self.store.edit(edits, Instant::now()).await.unwrap();
        self.conveyor.connected().await;
        self.conveyor.announce(&Change { workspace: None }).await.unwrap();
    }

    /// An endpoint at `/<name>` of the receiver: three attempts at 0, 20 and 20 ms.
    pub(crate) fn endpoint(&self, name: &str) -> Endpoint {
        let quick = [0, 20, 20].map(Duration::from_millis);
        Endpoint {
            application_id: None,
            credential: None,
            client_key: None,
            id: EndpointId::from_stored(format!("ep_{name}")),
            workspace_id: workspace().id,
            environment_id: environment().id,
            spec: EndpointSpec {
                delivery: DeliverySpec {
                    retry: RetrySpec {
                        schedule: Some(quick.to_vec()),
                        jitter: Some(0.0),
                    },
                    ..DeliverySpec::default()
                },
                ..EndpointSpec::to(format!("{}/{name}", self.receiver.url()))
            },
            secrets: vec![secret("one", SECRET)],
            created_at: EPOCH,
            updated_at: EPOCH,
            deleted_at: None,
        }
    }

    /// Saves an endpoint as [`Yard::endpoint`] makes it, with other settings.
    pub(crate) async fn with_endpoint(&self, name: &str, change: impl FnOnce(&mut Endpoint)) -> EndpointId {
        let mut endpoint = self.endpoint(name);
        change(&mut endpoint);
        let id = endpoint.id.clone();
        self.edit(vec![Edit::Endpoint(endpoint)]).await;
        id
    }

    /// Records an event with one delivery, as gateway and router do; `lease` is the router's.
    pub(crate) async fn route(&self, to: &EndpointId, lease: Option<Uuid>, event: NewEvent) -> DeliveryId {
        let delivery = NewDelivery {
            lease: lease.map(|token| (token, Instant::now() + self.settings.delivery.lease)),
            ..made(to, &event)
        };
        self.deliver(event, delivery).await
    }

    /// A delivery that is due, and that this route made.
    pub(crate) async fn due_by(&self, to: &EndpointId, route: Option<RouteId>) -> DeliveryId {
        let event = event(br#"{"id":7}"#);
        let delivery = NewDelivery {
            route_id: route,
            ..made(to, &event)
        };
        self.deliver(event, delivery).await
    }

    /// Records an event with this delivery, as gateway and router do.
    pub(crate) async fn deliver(&self, event: NewEvent, delivery: NewDelivery) -> DeliveryId {
        let id = delivery.id;
        let routed = RoutedEvent {
            id: event.id,
            state: EventState::Routed,
            gifts: Vec::new(),
            is_taken: false,
            trace: Bytes::from_static(b"{}"),
            deliveries: vec![NewDelivery {
                state: if delivery.lease.is_some() {
                    DeliveryState::Delivering
                } else {
                    DeliveryState::Pending
                },
                ..delivery
            }],
            runs: Vec::new(),
            at: Instant::now(),
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

    /// A delivery that is due, and that no message names.
    pub(crate) async fn due(&self, to: &EndpointId) -> DeliveryId {
        self.route(to, None, event(br#"{"id":7}"#)).await
    }

    /// A delivery that the router has leased, without a message.
    pub(crate) async fn leased(&self, to: &EndpointId) -> Reference {
        let lease = Uuid::new_v4();
        let id = self.route(to, Some(lease), event(br#"{"id":7}"#)).await;
        Reference::Delivery { id, lease }
    }

    /// A delivery that the worker is told of.
    pub(crate) async fn told(&self, to: &EndpointId) -> DeliveryId {
        let reference = self.leased(to).await;
        let id = id_of(&reference);
        self.tell(vec![reference]).await;
        id
    }

    pub(crate) async fn tell(&self, references: Vec<Reference>) {
        let message = Message::new(references, None);
        self.conveyor.publish(Queue::Deliver, &message).await.unwrap();
    }

    pub(crate) async fn delivery(&self, id: DeliveryId) -> Delivery {
        self.store.delivery(&workspace().id, id).await.unwrap().unwrap()
    }

    pub(crate) async fn attempts(&self, id: DeliveryId) -> Vec<Attempt> {
        self.store.attempts(id).await.unwrap()
    }

    /// Waits until a delivery is in this state.
    pub(crate) async fn comes_to(&self, id: DeliveryId, state: DeliveryState) -> Delivery {
        let mut delivery = self.delivery(id).await;
        testkit::until(&format!("{id} is {state}"), async || {
            delivery = self.delivery(id).await;
            delivery.state == state
        })
        .await;
        delivery
    }

    /// Waits until an attempt of a delivery was recorded.
    pub(crate) async fn attempted(&self, id: DeliveryId, count: usize) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        testkit::until(&format!("{id} has {count} attempts"), async || {
            attempts = self.attempts(id).await;
            attempts.len() >= count
        })
        .await;
        attempts
    }

    /// How many requests came to `/<name>`.
    pub(crate) fn requests_at(&self, name: &str) -> usize {
        let path = format!("/{name}");
        let requests = self.receiver.requests();
        requests.iter().filter(|request| request.target == path).count()
    }
}

/// What the router makes of an event for an endpoint.
pub(crate) fn made(to: &EndpointId, event: &NewEvent) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::of(event.id, to, 0),
        workspace_id: workspace().id,
        endpoint_id: to.clone(),
        route_id: None,
        event_type: event.event_type.clone(),
        state: DeliveryState::Pending,
        reason: None,
        due_at: Some(Instant::now()),
        lease: None,
        body: None,
        replay_of: None,
        order_key: None,
    }
}

pub(crate) fn id_of(reference: &Reference) -> DeliveryId {
    let Reference::Delivery { id, .. } = reference else {
        unreachable!("the yard makes deliveries alone");
    };
    *id
}

pub(crate) fn secret(id: &str, value: &str) -> SigningSecret {
    SigningSecret {
        id: id.to_owned(),
        value: value.into(),
        created_at: EPOCH,
        expires_at: None,
    }
}

pub(crate) fn event(body: &'static [u8]) -> NewEvent {
    NewEvent {
        source_id: Some(SourceId::from_stored("so_stripe")),
        event_type: Some("payment.succeeded".to_owned()),
        content_type: Some("application/json; charset=utf-8".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ..NewEvent::plain(
            EventId::generate(),
            workspace().id,
            Instant::now(),
            Bytes::from_static(body),
        )
    }
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
        name: None,
        id: EnvironmentId::from_stored("env_acme"),
        workspace_id: workspace().id,
        slug: "production".to_owned(),
        is_default: true,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}
