//! From options to a running platform: folder, port, settings, roles, configuration, in this order.

use super::data::{Data, ledger_url};
use super::receiver::Receiver;
use super::roles::Roles;
use super::{Dev, Error, Options, PROGRAM};
use boot::{Platform, Process, Settings, Sources};
use expression::Jail;
use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use store::Store;
use wire::Instant;

/// A start that nothing is known to be in the way of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) settings: Settings,
    apply: Option<PathBuf>,
    jail: Jail,
    /// How the outside reaches the port.
    url: String,
    data: Data,
}

impl Plan {
    /// Reads the settings, takes the folder, and looks whether the port is free.
    pub(super) fn make(options: &Options) -> Result<Self, Error> {
        let sources = Sources::from_process(options.config.as_deref())
            .with_program_defaults([
                ("gateway.listen", "127.0.0.1:8080"),
                // One machine, one person: two are plenty, and each costs memory.
                ("gateway.workers", "2"),
                ("database.url", &ledger_url(&options.data)),
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
        let data = Data::open(&options.data)?;
        let address = free(asked)?;
        let url = url(address);
        let mut settings = sources
            .with_program_defaults([
                ("gateway.public_url", url.as_str()),
                ("console.public_url", url.as_str()),
                ("console.gateway_url", url.as_str()),
            ])
            .with_arguments([("gateway.listen", address.to_string())])
            .load()
            .map_err(Error::Settings)?;
        if settings.secrets.master_keys.is_empty() {
            settings.secrets.master_keys = vec![data.master_key()?];
        }
        let apply = options.apply.clone();
        let jail = Jail::new(options.jail.clone());
        Ok(Self {
            settings,
            apply,
            jail,
            url,
            data,
        })
    }

    /// Starts everything, in this process or in one of its own. Saying that it is ready is left to the caller.
    pub(super) async fn carry_out(self, process: Option<Process>) -> Result<Dev, Error> {
        let Self {
            settings,
            apply,
            jail,
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
        let roles = Roles::of(&platform, jail);
        let applied = match &apply {
            Some(file) => Some(roles.apply_file(file).await?),
            None => None,
        };
        let demo = roles.demo(&data, &url, apply.is_none() && is_embedded).await?;
        let receiver = demo
            .as_ref()
            .map(|demo| Receiver::new(demo.endpoint_secret.as_str().into()));
        let address = roles.start(receiver)?;
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

pub(super) fn role<E: Into<Box<dyn StdError + Send + Sync>>>(role: &'static str) -> impl FnOnce(E) -> Error {
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

pub(super) fn refused(address: SocketAddr, source: io::Error) -> Error {
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
