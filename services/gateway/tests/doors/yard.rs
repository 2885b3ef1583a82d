//! A gateway on port 0 with a workspace `acme`, on a ledger of its own.

use boot::{Process, Sources};
use broker::Conveyor;
use expression::Jail;
use hmac::{Hmac, KeyInit, Mac};
use hookyard_gateway::{Gateway, Tools};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{
    AppSecrets, Contact, Edit, Endpoint, Environment, EventFilter, KeyRing, Page, Route, SigningSecret,
    Source, Store, Workspace,
};
use testkit::database::TestDatabase;
use wire::resource::{
    Adapter, AppSpec, ChannelSpec, ContactPolicy, EndpointSpec, RouteSpec, SourceSpec, Target, VerifySpec,
};
use wire::{AppId, ContactId, EndpointId, EnvironmentId, EventId, Instant, RouteId, SourceId, WorkspaceId};

pub(crate) struct Yard {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) gateway: Arc<Gateway>,
    process: Process,
    _database: TestDatabase,
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.process.shutdown.begin(boot::shutdown::Cause::Requested);
    }
}

impl Yard {
    /// On SQLite, with the default settings.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// On SQLite, with other settings: `("gateway.body_timeout", "300ms")`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let database = testkit::database::sqlite();
        let url = format!("sqlite:{}", database.url());
        Self::on(database, url, settings).await
    }

    pub(crate) async fn on(database: TestDatabase, url: String, settings: &[(&str, &str)]) -> Self {
        let keys = KeyRing::parse(&[KeyRing::new_key("test", [7; 32])]).unwrap();
        let store = store::Settings {
            url: url.into(),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(3),
        };
        let store = Store::connect(store, keys).await.unwrap();
        store.migrate().await.unwrap();
        let arguments = [
            ("database.url", "sqlite:unused"),
            ("secrets.master_keys", "unused"),
        ]
        .into_iter();
        let settings = Sources::new()
            .with_arguments(arguments.chain(settings.iter().copied()))
            .load()
            .unwrap();
        let process = Process::new("gateway-test", settings);
        let conveyor = Conveyor::in_process(1_000);
        let tools = Tools {
            jail: Jail::in_thread(),
            egress: egress::Client::new(egress::Settings {
                policy: egress::Policy::new(process.settings.egress.allow.iter().copied()),
                // Nobody answers there, whatever the network of the machine: no name is found.
                nameservers: vec![([127, 0, 0, 1], 9).into()],
                ..egress::Settings::default()
            }),
            lease: process.settings.delivery.lease,
        };
        let gateway = Gateway::start(
            process.settings.gateway.clone(),
            store.clone(),
            &conveyor,
            tools,
            &process.tasks,
        )
        .unwrap();
        let listen = boot::http::Listen {
            address: ([127, 0, 0, 1], 0).into(),
            workers: 2,
            server: "the doors",
            setting: "gateway.listen",
        };
        let served = Arc::clone(&gateway);
        let address = boot::http::serve(listen, &process.tasks, move |config| {
            served.configure(config);
            config.default_service(actix_web::web::to(hookyard_gateway::not_found));
        })
        .unwrap();
        let yard = Self {
            address,
            store,
            conveyor,
            gateway,
            process,
            _database: database,
        };
        yard.edit(vec![
            Edit::Workspace(workspace(true)),
            Edit::Environment(environment()),
        ])
        .await;
        yard
    }

    /// Saves, and tells the gateway as the console would.
    pub(crate) async fn edit(&self, edits: Vec<Edit>) {
        self.store.edit(edits, Instant::now()).await.unwrap();
        self.conveyor
            .announce(&wire::Change { workspace: None })
            .await
            .unwrap();
    }

    /// A source with the token `src_<slug>`, and a route that takes everything of it.
    pub(crate) async fn source(&self, spec: SourceSpec, secrets: &[&str]) {
        let source = source(spec, secrets);
        let route = route("all", vec![source.id.clone()], true);
        self.edit(vec![
            Edit::Source(source),
            Edit::Endpoint(endpoint()),
            Edit::Route(route),
        ])
        .await;
    }

    /// A source with the app `app_<slug>`, what its requests are signed with, and a contact `con_ada` who is `ada` there.
    pub(crate) async fn app(&self, spec: SourceSpec, signing: &[&str]) {
        let mut source = source(spec, &[]);
        source.app_secrets = AppSecrets {
            signing: secrets(signing),
            verify_token: Some("verify-me".into()),
        };
        let contact = contact("ada", &source.id, "ada");
        self.edit(vec![Edit::Source(source), Edit::Contact(contact)])
            .await;
    }

    /// The events recorded so far.
    pub(crate) async fn events(&self) -> Page<store::EventSummary> {
        self.store
            .events(&workspace(true).id, EventFilter::default(), None, 1_000)
            .await
            .unwrap()
    }

    /// One event by the id in an answer.
    pub(crate) async fn event(&self, id: &str) -> store::Event {
        let id: EventId = id.parse().unwrap();
        self.store
            .event(&workspace(true).id, id)
            .await
            .unwrap()
            .expect("an id of a 2xx is readable at once")
    }

    /// One run by the id in an answer.
    pub(crate) async fn run(&self, id: &str) -> store::Run {
        let id: wire::RunId = id.parse().unwrap();
        self.store
            .run(&workspace(true).id, id)
            .await
            .unwrap()
            .expect("an id of a 2xx is readable at once")
    }

    /// One delivery by the id in an answer.
    pub(crate) async fn delivery(&self, id: &str) -> store::Delivery {
        let id: wire::DeliveryId = id.parse().unwrap();
        self.store
            .delivery(&workspace(true).id, id)
            .await
            .unwrap()
            .expect("an id of a 2xx is readable at once")
    }

    /// The rejections recorded, once there are any.
    pub(crate) async fn rejections(&self) -> Vec<store::Rejection> {
        let mut rows = Vec::new();
        testkit::until("a rejection is kept", async || {
            rows = self
                .store
                .rejections(&workspace(true).id, store::RejectionFilter::default(), None, 100)
                .await
                .unwrap()
                .rows;
            !rows.is_empty()
        })
        .await;
        rows
    }
}

pub(crate) const EPOCH: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

pub(crate) fn workspace(accepting: bool) -> Workspace {
    Workspace {
        spec: wire::resource::WorkspaceSpec::default(),
        id: WorkspaceId::from_stored("ws_acme"),
        slug: "acme".to_owned(),
        name: "Acme".to_owned(),
        accepting,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

pub(crate) fn environment() -> Environment {
    Environment {
        name: None,
        id: EnvironmentId::from_stored("env_acme"),
        workspace_id: workspace(true).id,
        slug: "production".to_owned(),
        is_default: true,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

pub(crate) fn spec(slug: &str) -> SourceSpec {
    SourceSpec {
        app: None,
        slug: slug.to_owned(),
        enabled: true,
        verify: None,
        event_type: None,
        dedupe: wire::resource::DedupeSpec::default(),
        channel: None,
        max_body_bytes: None,
        gzip: false,
    }
}

pub(crate) fn verified_by(slug: &str, provider: &str) -> SourceSpec {
    let verify = VerifySpec {
        provider: Some(provider.to_owned()),
        scheme: None,
        mode: wire::resource::VerifyMode::Enforce,
    };
    SourceSpec {
        verify: Some(verify),
        ..spec(slug)
    }
}

pub(crate) fn channel(slug: &str, direct_ingest: bool) -> SourceSpec {
    SourceSpec {
        channel: Some(ChannelSpec { direct_ingest }),
        ..spec(slug)
    }
}

/// The source's channel secret is `s3cret`.
pub(crate) fn source(spec: SourceSpec, secrets: &[&str]) -> Source {
    Source {
        app_secrets: AppSecrets::default(),
        id: SourceId::from_stored(format!("so_{}", spec.slug)),
        workspace_id: workspace(true).id,
        environment_id: environment().id,
        token: SecretString::from(format!("src_{}", spec.slug)),
        channel_secret_hash: spec.channel.as_ref().map(|_| Sha256::digest(b"s3cret").into()),
        secrets: self::secrets(secrets),
        verify_token: None,
        spec,
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

/// The HMAC-SHA256 of the parts, in hexadecimal.
pub(crate) fn hmac_hex(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}

pub(crate) fn secrets(values: &[&str]) -> Vec<SigningSecret> {
    let secret = |(index, value): (usize, &&str)| SigningSecret {
        id: format!("secret-{index}"),
        value: SecretString::from(*value),
        created_at: EPOCH,
        expires_at: None,
    };
    values.iter().enumerate().map(secret).collect()
}

/// A source whose app is `app_<slug>`.
pub(crate) fn app(slug: &str, adapter: Adapter) -> SourceSpec {
    let app = AppSpec {
        id: AppId::from_stored(format!("app_{slug}")),
        adapter,
        scheme: None,
        contacts: ContactPolicy::Required,
        doorkeeper: None,
    };
    SourceSpec {
        app: Some(app),
        ..spec(slug)
    }
}

/// Somebody who is known by an address at a source.
pub(crate) fn contact(name: &str, source: &SourceId, address: &str) -> Contact {
    Contact {
        id: ContactId::from_stored(format!("con_{name}")),
        workspace_id: workspace(true).id,
        name: name.to_owned(),
        addresses: vec![(source.clone(), address.to_owned())],
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}

fn endpoint() -> Endpoint {
    Endpoint {
        application_id: None,
        credential: None,
        client_key: None,
        id: EndpointId::from_stored("ep_sink"),
        workspace_id: workspace(true).id,
        environment_id: environment().id,
        spec: EndpointSpec::to("https://example.com/"),
        secrets: Vec::new(),
        created_at: EPOCH,
        updated_at: EPOCH,
        deleted_at: None,
    }
}

pub(crate) fn route(name: &str, from: Vec<SourceId>, enabled: bool) -> Route {
    Route {
        subscription: None,
        id: RouteId::from_stored(format!("rt_{name}")),
        workspace_id: workspace(true).id,
        position: 0,
        spec: RouteSpec {
            name: name.to_owned(),
            enabled,
            from,
            event_types: Vec::new(),
            filter: None,
            transform: None,
            delay: Duration::ZERO,
            delivery: wire::resource::DeliverySpec::default(),
            to: Target::Endpoint(EndpointId::from_stored("ep_sink")),
        },
        created_at: EPOCH,
        updated_at: EPOCH,
    }
}
