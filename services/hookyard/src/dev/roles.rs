//! The roles side by side, and what is configured before they are ready.

use super::Error;
use super::data::Data;
use super::demo::{self, Demo};
use super::plan::{refused, role};
use super::receiver::Receiver;
use crate::commands::{folder_of, variables};
use actix_web::web;
use boot::http::Listen;
use boot::{Platform, health};
use console::apply::{self, Applied, Inputs, Outside, Scope};
use console::{Checks, Console, housekeeping};
use expression::Jail;
use gateway::{Gateway, Tools};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use store::{Actor, AuditEntry, Edit};
use wire::{EndpointId, Instant};

/// What the roles share.
pub(super) struct Roles<'a> {
    platform: &'a Platform,
    jail: Jail,
    egress: egress::Client,
    checks: Checks,
}

impl<'a> Roles<'a> {
    pub(super) fn of(platform: &'a Platform, jail: Jail) -> Self {
        let settings = &platform.settings;
        let egress = egress::Client::new(egress::Settings {
            policy: egress::Policy::new(settings.egress.allow.iter().copied()),
            user_agent: settings.delivery.user_agent.clone(),
            ..egress::Settings::default()
        });
        Self {
            checks: Checks::new(jail.clone(), egress.clone()),
            egress,
            jail,
            platform,
        }
    }

    /// Starts every role behind one server.
    pub(super) fn start(self, receiver: Option<Receiver>) -> Result<SocketAddr, Error> {
        let Self {
            platform,
            jail,
            egress,
            checks,
        } = self;
        let Platform {
            settings,
            store,
            conveyor,
            shutdown,
            tasks,
            health,
        } = platform;
        let tools = Tools {
            jail: jail.clone(),
            egress: egress.clone(),
            lease: settings.delivery.lease,
        };
        let gateway = Gateway::start(settings.gateway.clone(), store.clone(), conveyor, tools, tasks)
            .map_err(role("the gateway"))?;
        router::start(platform, jail.clone()).map_err(role("the router"))?;
        delivery_worker::start(platform, egress.clone()).map_err(role("the delivery worker"))?;
        playbook_runner::start(platform, jail, egress).map_err(role("the playbook runner"))?;
        tasks.spawn(
            "console.housekeeping",
            housekeeping::run(store.clone(), Arc::clone(settings), shutdown.clone()),
        );
        let console = Console::new(store.clone(), conveyor.clone(), checks, &settings.console);
        let pages = health::pages(health);

        let listen = Listen {
            address: settings.gateway.listen,
            workers: settings.gateway.workers,
            server: "everything",
            setting: "gateway.listen",
        };
        let served = boot::http::serve(listen, tasks, move |config| {
            pages(config);
            gateway.configure(config);
            if let Some(receiver) = &receiver {
                receiver.configure(config);
            }
            console::configure(config, console.clone());
            config.default_service(web::to(gateway::not_found));
        });
        served.map_err(|error| match error {
            boot::Error::Listen { address, source, .. } => refused(address, source),
            other => role("the server")(other),
        })
    }

    /// Makes a workspace what a file says.
    pub(super) async fn apply_file(&self, path: &Path) -> Result<Applied, Error> {
        let read = tokio::fs::read_to_string(path).await;
        let text = read.map_err(|source| Error::ReadFile {
            path: path.to_owned(),
            source,
        })?;
        let variables = variables();
        let outside = Outside {
            variables: Some(&variables),
            folder: folder_of(path),
        };
        let applied = self.apply(&text, outside).await;
        applied.map_err(|source| Error::Apply {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    async fn apply(&self, text: &str, outside: Outside<'_>) -> Result<Applied, console::Error> {
        let Platform { store, conveyor, .. } = self.platform;
        let inputs = Inputs {
            scope: Scope::Any,
            outside,
            prune: false,
        };
        let plan = apply::plan(store, &self.checks, text, inputs).await?;
        plan.execute(&myself(), store, conveyor).await
    }

    /// The demo: as it was left, or new at the first start on a ledger that has nothing yet.
    pub(super) async fn demo(
        &self,
        data: &Data,
        url: &str,
        may_be_made: bool,
    ) -> Result<Option<Demo>, Error> {
        let store = &self.platform.store;
        let failed = |error: store::Error| Error::Demo(Box::new(error.into()));
        let known = data.recall::<Demo>(demo::FILE)?;
        let is_there = store.workspace(demo::WORKSPACE).await.map_err(failed)?.is_some();
        if is_there && known.is_some() {
            self.follow_port(url).await.map_err(failed)?;
            return Ok(known);
        }
        let is_first = store.workspaces(1).await.map_err(failed)?.is_empty();
        if !may_be_made || !is_first {
            return Ok(None);
        }
        if self.checks.policy().check_url(&Demo::receiver_url(url)).is_err() {
            tracing::warn!(
                "no demo is made: its receiver is here, and egress.allow keeps deliveries from here"
            );
            return Ok(None);
        }
        let demo = known.unwrap_or_else(Demo::make);
        // Before it is applied: a start that dies in between finds the same secrets again.
        data.remember(demo::FILE, &demo)?;
        let applied = self.apply(&demo.yaml(url), Outside::default()).await;
        applied.map_err(|error| Error::Demo(Box::new(error)))?;
        Ok(Some(demo))
    }

    /// The demo's receiver is on our own port, which may be another one this time.
    async fn follow_port(&self, url: &str) -> Result<(), store::Error> {
        let store = &self.platform.store;
        let id = EndpointId::from_stored(demo::ENDPOINT);
        let Some(mut endpoint) = store.endpoint(&id).await? else {
            return Ok(());
        };
        let here = Demo::receiver_url(url);
        if endpoint.deleted_at.is_some()
            || endpoint.spec.url == here
            || !Demo::is_receiver(&endpoint.spec.url)
        {
            return Ok(());
        }
        let now = Instant::now();
        endpoint.spec.url = here;
        let since = Some(std::mem::replace(&mut endpoint.updated_at, now));
        let entry = AuditEntry::new(&endpoint.workspace_id, &myself(), "endpoint.update", &id);
        let entry = entry.with("fields", vec!["url"]);
        let edits = vec![Edit::Endpoint(endpoint).over(since)];
        store.on_record(vec![entry]).edit(edits, now).await
    }
}

/// Who does what nobody asked for, in the audit.
fn myself() -> Actor {
    Actor::command("hookyard dev")
}
