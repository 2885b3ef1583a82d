//! The gateway: request → door → authenticate → accept → answer.
//!
//! A *door* is one ingest contract. Each is a thin policy in its own file under `doors/` (how to find the target, how to
//! authenticate, where the idempotency key is, what each answer looks like) over the one path in [`accept`].
//!
//! # What it promises
//!
//! A 2xx means recorded: the answer is sent after the commit, and what follows is found by a sweep even if no message
//! ever leaves this process. Nothing before the accept writes anything but metrics and sampled rejections, so a request
//! that was refused or failed uses up no key.
//!
//! # What it must never do
//!
//! Route or deliver; keep a secret of a sender's in an event, a rejection or a log; wait for the conveyor.

mod accept;
mod adapters;
mod arrival;
mod body;
mod doors;
mod identity;
mod kept;
mod key;
mod problem;
mod publish;
mod reject;
mod sources;
mod verify;

use actix_web::web::ServiceConfig;
use boot::Tasks;
use boot::settings;
use broker::Conveyor;
use expression::Jail;
use std::sync::Arc;
use store::{AcceptQueue, QueueOptions, Store};

pub use doors::not_found;

/// The gateway's parts; one per process, shared by its HTTP workers.
#[derive(Debug)]
pub struct Gateway {
    settings: settings::Gateway,
    store: Store,
    accepts: AcceptQueue,
    sources: sources::Sources,
    publisher: publish::Publisher,
    rejections: reject::Rejections,
    published_keys: verify::PublishedKeys,
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
}

impl Gateway {
    /// Starts the accepting thread and the tasks that publish references, follow changes and keep rejections.
    pub fn start(
        settings: settings::Gateway,
        store: Store,
        conveyor: Conveyor,
        tools: Tools,
        tasks: &Tasks,
    ) -> Result<Arc<Self>, store::Error> {
        let options = QueueOptions {
            capacity: settings.accept_queue.get(),
            ..QueueOptions::default()
        };
        let accepts = store.accept_queue(options)?;
        let sources = sources::Sources::new(store.clone(), settings.cache_ttl);
        sources.follow(&conveyor, tasks);
        Ok(Arc::new(Self {
            publisher: publish::Publisher::start(conveyor, tasks),
            rejections: reject::Rejections::start(store.clone(), settings.trusted_proxies.clone(), tasks),
            settings,
            store,
            accepts,
            sources,
            published_keys: verify::PublishedKeys::new(tools.egress.clone()),
            egress: tools.egress,
            jail: tools.jail,
        }))
    }

    /// Mounts the doors.
    pub fn configure(self: &Arc<Self>, config: &mut ServiceConfig) {
        config.app_data(actix_web::web::Data::from(Arc::clone(self)));
        doors::mount(config);
    }
}
