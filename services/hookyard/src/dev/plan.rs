//! From options to a running platform: folder, port, settings, roles, configuration, in this order.

use super::data::Data;
use super::demo::{self, Demo};
use super::receiver::Receiver;
use super::{Dev, Error, Options, PROGRAM};
use actix_web::web;
use boot::http::Listen;
use boot::{Platform, Process, Settings, Sources, health};
use console::apply::{self, Applied, Inputs, Outside, Scope};
use console::{Checks, Console, housekeeping};
use expression::Jail;
use gateway::{Gateway, Tools};
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use store::{Edit, Store};
use wire::{EndpointId, Instant};

/// A start that nothing is known to be in the way of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    apply: Option<PathBuf>,
    /// How the outside reaches the port.
    url: String,
    data: Data,
}

impl Plan {
    /// Takes the folder, looks whether the port is free, and settles the settings.
    pub(super) fn make(options: &Options) -> Result<Self, Error> {
        let data = Data::open(&options.data)?;
        let sources = Sources::from_process(options.config.as_deref())
            .with_program_defaults([
                ("gateway.listen", "127.0.0.1:8080"),
                // One machine, one person: two are plenty, and each costs memory.
                ("gateway.workers", "2"),
                ("database.url", &data.ledger_url()),
                ("database.max_connections", "4"),
                ("database.migrate", "true"),
                ("broker.url", "in-process"),
                ("egress.allow", "127.0.0.0/8,::1/128"),
                // Its pages are on the one port there is.
                ("health.listen", "off"),
            ])
            .with_arguments(
                options
                    .listen
                    .map(|address| ("gateway.listen", address.to_string())),
            );
        let asked = sources.load().map_err(Error::Settings)?.gateway.listen;
        let address = free(asked)?;
        let url = url(address);
        let mut settings = sources
            .with_program_defaults([("gateway.public_url", url.as_str())])
            .with_arguments([("gateway.listen", address.to_string())])
            .load()
            .map_err(Error::Settings)?;
        if settings.secrets.master_keys.is_empty() {
            settings.secrets.master_keys = vec![data.master_key()?];
        }
        let apply = options.apply.clone();
        Ok(Self {
            settings,
            apply,
            url,
            data,
        })
    }

    /// Starts everything, in this process or in one of its own. Saying that it is ready is left to the caller.
    pub(super) async fn carry_out(self, process: Option<Process>) -> Result<Dev, Error> {
        let Self {
            settings,
            apply,
            url,
            data,
        } = self;
        let is_embedded = data.is_ledger(&settings.database);
        let process = process.unwrap_or_else(|| Process::new(PROGRAM, settings));
        let folder = data.folder().to_owned();
        let platform = Platform::connect(process.clone())
            .await
            .map_err(role("the platform"))?;
        if is_embedded {
            void_leases(&platform.store).await?;
        }
        let parts = Parts::of(&platform);
        let applied = match &apply {
            Some(file) => Some(parts.apply_file(file).await?),
            None => None,
        };
        let demo = parts.demo(&data, &url, apply.is_none() && is_embedded).await?;
        let receiver = demo
            .as_ref()
            .map(|demo| Receiver::new(demo.endpoint_secret.as_str().into()));
        let address = parts.start(receiver)?;
        // Nobody else may have the folder before the last row is written.
        process
            .tasks
            .close_at_end("the data folder", async move { drop(data) });
        Ok(Dev {
            address,
            url,
            demo,
            applied,
            process,
            folder,
        })
    }
}

/// What the roles share.
struct Parts<'a> {
    platform: &'a Platform,
    jail: Jail,
    egress: egress::Client,
    checks: Checks,
}

impl<'a> Parts<'a> {
    fn of(platform: &'a Platform) -> Self {
        let settings = &platform.settings;
        let policy = egress::Policy::new(settings.egress.allow.iter().copied());
        let jail = Jail::new(expression::Options::default());
        Self {
            egress: egress::Client::new(egress::Settings {
                policy: policy.clone(),
                user_agent: settings.delivery.user_agent.clone(),
                ..egress::Settings::default()
            }),
            checks: Checks {
                jail: jail.clone(),
                policy,
            },
            jail,
            platform,
        }
    }

    /// Starts every role behind one server.
    fn start(self, receiver: Option<Receiver>) -> Result<SocketAddr, Error> {
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
        };
        let gateway = Gateway::start(
            settings.gateway.clone(),
            store.clone(),
            conveyor.clone(),
            tools,
            tasks,
        )
        .map_err(role("the gateway"))?;
        router::start(platform, jail).map_err(role("the router"))?;
        delivery_worker::start(platform, egress).map_err(role("the delivery worker"))?;
        playbook_runner::start(platform).map_err(role("the playbook runner"))?;
        tasks.spawn(
            "console.housekeeping",
            housekeeping::run(store.clone(), shutdown.clone()),
        );
        let operator_token = settings.console.operator_token.clone();
        let console = Console::new(store.clone(), conveyor.clone(), checks, operator_token);
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
    async fn apply_file(&self, path: &Path) -> Result<Applied, Error> {
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
            source,
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
        plan.execute(store, conveyor).await
    }

    /// The demo: as it was left, or new at the first start on a ledger that has nothing yet.
    async fn demo(&self, data: &Data, url: &str, may_be_made: bool) -> Result<Option<Demo>, Error> {
        let store = &self.platform.store;
        let failed = |error: store::Error| Error::Demo(error.into());
        let is_new = store.workspaces(1).await.map_err(failed)?.is_empty();
        let demo = match data.recall::<Demo>(demo::FILE)? {
            Some(demo) => demo,
            None if may_be_made && is_new => {
                let demo = Demo::make();
                // Before it is applied: a start that dies in between finds the same secrets again.
                data.remember(demo::FILE, &demo)?;
                demo
            }
            None => return Ok(None),
        };
        if is_new {
            self.apply(&demo.yaml(url), Outside::default())
                .await
                .map_err(Error::Demo)?;
        } else {
            self.follow_port(url).await.map_err(failed)?;
        }
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
        endpoint.updated_at = now;
        store.edit(vec![Edit::Endpoint(endpoint)], now).await
    }
}

/// The folder is locked, so nobody else delivers out of its ledger: what an earlier process held when it was killed need
/// not wait for its leases to run out.
async fn void_leases(store: &Store) -> Result<(), Error> {
    let voided = store
        .void_leases(Instant::now())
        .await
        .map_err(role("the ledger"))?;
    if voided > 0 {
        tracing::warn!(
            voided,
            "the last process did not finish these deliveries; they are due again"
        );
    }
    Ok(())
}

fn role<E: Into<Box<dyn StdError + Send + Sync>>>(role: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::Role {
        role,
        source: source.into(),
    }
}

/// An address that nobody listens on, its port chosen if it was left open. It is let go again: whoever takes it in the
/// moment until the server binds it is noticed then.
fn free(address: SocketAddr) -> Result<SocketAddr, Error> {
    let tried = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    tried.map_err(|source| refused(address, source))
}

fn refused(address: SocketAddr, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse { address },
        _ => Error::Listen { address, source },
    }
}

/// How this machine reaches the address.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// The environment, for `${NAME}` in files of configuration. What is not text cannot be written there.
pub(crate) fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().map(|folder| {
        if folder == Path::new("") {
            Path::new(".")
        } else {
            folder
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_this_machine_reaches_it() {
        for (address, shown) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:9000", "http://[::1]:9000"),
            ("192.0.2.7:1", "http://192.0.2.7:1"),
        ] {
            assert_eq!(url(address.parse().unwrap()), shown);
        }
    }

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = free(taken.local_addr().unwrap()).unwrap_err();
        assert!(matches!(error, Error::PortInUse { .. }));
        assert!(error.to_string().contains("--listen"), "{error}");
    }

    #[test]
    fn a_free_port_is_chosen_when_it_is_left_open() {
        assert_ne!(free("127.0.0.1:0".parse().unwrap()).unwrap().port(), 0);
    }
}
