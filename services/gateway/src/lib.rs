//! The gateway: request → door → authenticate → accept → answer.
//!
//! A *door* is one ingest contract. Each is a thin policy in its own file under `doors/` (how to find the target, how to
//! authenticate, where the idempotency key is, what each answer looks like) over the one path in [`accept`].
//!
//! # What it promises
//!
//! A 2xx means recorded: the answer is sent after the commit, and what follows is found by a sweep even if no message
//! ever leaves this process. Nothing before the accept writes anything but metrics, sampled rejections and handshakes, so a request
//! that was refused or failed uses up no key.
//!
//! # What it must never do
//!
//! Route or deliver; keep a secret of a sender's in an event, a rejection or a log; wait for the conveyor.

mod accept;
mod adapters;
mod again;
mod arrival;
mod body;
mod description;
mod doors;
mod handshakes;
mod identity;
mod kept;
mod key;
mod keys;
mod limits;
mod playbooks;
mod problem;
mod publish;
mod reject;
mod room;
mod sources;
mod start;
mod targets;
mod verify;

use actix_web::web::ServiceConfig;
use boot::Tasks;
use boot::settings;
use broker::Conveyor;
use expression::Jail;
use problem::Problem;
use std::sync::Arc;
use std::time::Duration;
use store::{AcceptQueue, QueueOptions, Store};

pub use description::api;
pub use doors::not_found;

/// The gateway's parts; one per process, shared by its HTTP workers.
#[derive(Debug)]
pub struct Gateway {
    settings: settings::Gateway,
    store: Store,
    accepts: AcceptQueue,
    /// How long a worker has for a delivery that it is told of.
    lease: Duration,
    sources: sources::Sources,
    playbooks: playbooks::Playbooks,
    targets: targets::Targets,
    keys: keys::Keys,
    limits: limits::Limits,
    publisher: publish::Publisher,
    rejections: reject::Rejections,
    handshakes: handshakes::Handshakes,
    published_keys: verify::PublishedKeys,
    room: room::Room,
    egress: egress::Client,
    jail: Jail,
}

/// What the gateway asks for help.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Evaluates the sources' rules.
    pub jail: Jail,
    /// Fetches the keys that providers publish, and asks the adapters of apps.
    pub egress: egress::Client,
    /// How long a worker has for a delivery that it is told of.
    pub lease: Duration,
}

impl Gateway {
    /// Starts the accepting thread and the tasks that publish references and keep rejections and handshakes.
    pub fn start(
        settings: settings::Gateway,
        store: Store,
        conveyor: &Conveyor,
        tools: Tools,
        tasks: &Tasks,
    ) -> Result<Arc<Self>, store::Error> {
        let options = QueueOptions {
            capacity: settings.accept_queue.get(),
            written: Some(boot::metrics::batch_written),
            ..QueueOptions::default()
        };
        let accepts = store.accept_queue(options)?;
        let (generation, ttl) = (conveyor.generation(), settings.cache_ttl);
        Ok(Arc::new(Self {
            publisher: publish::Publisher::start(conveyor, &store, tasks),
            rejections: reject::Rejections::start(store.clone(), settings.trusted_proxies.clone(), tasks),
            handshakes: handshakes::Handshakes::start(store.clone(), tasks),
            sources: sources::Sources::new(store.clone(), generation.clone(), ttl),
            playbooks: playbooks::Playbooks::new(store.clone(), generation.clone(), ttl),
            targets: targets::Targets::new(store.clone(), generation.clone(), ttl),
            keys: keys::Keys::new(store.clone(), generation.clone(), ttl),
            limits: limits::Limits::new(store.clone(), generation, ttl),
            lease: tools.lease,
            room: room::Room::new(settings.bodies_at_once.bytes() as u64),
            settings,
            store,
            accepts,
            published_keys: verify::PublishedKeys::new(tools.egress.clone()),
            egress: tools.egress,
            jail: tools.jail,
        }))
    }

    /// Bounds what a door asks of the ledger and the jail for a request. What is late is given up: 503, safe to send again.
    ///
    /// Around a look-up, and around all that follows the body; never around the body, which is its sender's to bring, nor
    /// around what others are asked over the network, who have their own limits.
    pub(crate) async fn in_time<T, E: From<Problem>>(
        &self,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match tokio::time::timeout(self.settings.accept_timeout, asking).await {
            Ok(answered) => answered,
            Err(_elapsed) => {
                tracing::error!("a request was not dealt with in time; its sender is told to try again");
                Err(Problem::Unavailable.into())
            }
        }
    }

    /// Mounts the doors.
    pub fn configure(self: &Arc<Self>, config: &mut ServiceConfig) {
        config.app_data(actix_web::web::Data::from(Arc::clone(self)));
        doors::addresses().mount(config);
        again::mount(config);
    }
}
