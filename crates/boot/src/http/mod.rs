//! The HTTP server that the gateway and the console share.
//!
//! It adds what every answer of ours has (`X-Request-Id`, no `Server`), one span per request that joins the caller's
//! trace, metrics by route, time limits on heads, and a drain that finishes the requests in hand. It knows nothing of
//! bodies, errors or doors: those are the services'.

mod addresses;
mod body;
mod request;

pub use addresses::{Address, Addresses};
pub use request::{REQUEST_ID, RequestId};

use crate::error::Error;
use crate::tasks::Tasks;
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// For a request's head: a client that dribbles it is cut off with 408.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// For the next request on an idle connection. Longer than the 60 s of common load balancers, which must be the ones to
/// close.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub struct Listen {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Worker threads; 0 is one a core.
    pub workers: usize,
    /// What is served, for errors: `the doors`.
    pub server: &'static str,
    /// The setting that says where, for errors: `gateway.listen`.
    pub setting: &'static str,
}

/// Serves until the process ends: from [`crate::Shutdown::stopping`] on, no connection is accepted, and requests in hand
/// are finished within the drain's time. Returns the address that it listens on.
///
/// `configure` is called once per worker thread; what it adds as `app_data` should be made outside and cloned.
pub fn serve<F>(listen: Listen, tasks: &Tasks, configure: F) -> Result<SocketAddr, Error>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let end = tasks.shutdown().stopping();
    let (server, address) = bind(listen, end, tasks.shutdown().drain_timeout(), configure)?;
    tasks.spawn("http.serve", server);
    tracing::info!(server.address = %address, "listening for {} on {address}", listen.server);
    Ok(address)
}

/// A server that runs when it is polled, until `end`.
pub(crate) fn bind<F>(
    listen: Listen,
    end: CancellationToken,
    drain_timeout: Duration,
    configure: F,
) -> Result<(Server, SocketAddr), Error>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let app = move || {
        App::new()
            .wrap(from_fn(request::around))
            .configure(configure.clone())
    };
    let mut server = HttpServer::new(app)
        .client_request_timeout(HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_signal(end.cancelled_owned())
        // Whole seconds, rounded up: the drain itself ends what is left.
        .shutdown_timeout(drain_timeout.as_secs() + 1);
    if listen.workers > 0 {
        server = server.workers(listen.workers);
    }
    let refused = |source| Error::Listen {
        address: listen.address,
        server: listen.server,
        setting: listen.setting,
        source,
    };
    let server = server.bind(listen.address).map_err(refused)?;
    // One address was bound, so there is one.
    let address = server.addrs().first().copied().unwrap_or(listen.address);
    Ok((server.run(), address))
}
