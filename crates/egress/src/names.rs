//! From a host's name to its addresses.
//!
//! The one place that asks DNS. What it returns is what gets checked and what gets dialled; nothing below it ever
//! sees a name again, so an answer that changes between two look-ups cannot slip in between check and connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::SendError;
use crate::failure::DnsFailure;

/// A receiver that moves is found again after this time, however long its records claim to hold.
const LONGEST_CACHED: Duration = Duration::from_mins(5);
/// A name that has just been created is found after this time.
const LONGEST_CACHED_ABSENCE: Duration = Duration::from_secs(5);

/// The resolver, or why there is none. A service without one can still call addresses.
pub(crate) struct Names {
    resolver: Result<TokioResolver, NetError>,
}

impl Names {
    /// Asks the given name servers; if there are none, the system's.
    pub(crate) fn new(nameservers: &[SocketAddr]) -> Self {
        let resolver = build(nameservers);
        if let Err(error) = &resolver {
            tracing::warn!(
                error.chain = %error,
                "no name server is usable, so only addresses can be called; check /etc/resolv.conf"
            );
        }
        Self { resolver }
    }

    /// The addresses of a name, IPv4 first; at least one.
    pub(crate) async fn look_up(&self, host: &Arc<str>) -> Result<Vec<IpAddr>, SendError> {
        let resolver = match &self.resolver {
            Ok(resolver) => resolver,
            Err(error) => {
                return Err(SendError::Dns {
                    host: Arc::clone(host),
                    failure: DnsFailure::Unconfigured,
                    source: error.clone().into(),
                });
            }
        };
        // With its final dot a name is looked up as it is. Without, the resolver would first try it inside the
        // search domains of our own network; only names of one label, which the policy has let through, mean that.
        let name = if host.contains('.') {
            format!("{host}.")
        } else {
            String::from(&**host)
        };
        let found = resolver
            .lookup_ip(name)
            .await
            .map_err(|error| SendError::dns(Arc::clone(host), error))?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(SendError::Dns {
                host: Arc::clone(host),
                failure: DnsFailure::NoAddress,
                source: "the answer holds no address".into(),
            });
        }
        Ok(addresses)
    }
}

fn build(nameservers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if nameservers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = nameservers.iter().map(name_server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    // Both families always, since one forbidden address among all of them refuses the host.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.positive_max_ttl = Some(LONGEST_CACHED);
    options.negative_max_ttl = Some(LONGEST_CACHED_ABSENCE);
    builder.build()
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}
