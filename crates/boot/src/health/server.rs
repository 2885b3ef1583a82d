//! The small server that carries the pages for services without an HTTP server of their own.

use super::{Health, pages};
use crate::error::Error;
use crate::http::{Listen, bind};
use crate::settings::HealthListen;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio_util::sync::CancellationToken;

/// The ports that `auto` tries in turn.
const PORTS: std::ops::RangeInclusive<u16> = 9090..=9099;

/// Serves the pages until `end`, and returns where. It outlives the drain, so that probes are answered throughout.
pub(crate) fn serve(
    listen: HealthListen,
    health: &Health,
    end: &CancellationToken,
) -> Result<Option<SocketAddr>, Error> {
    let start = |address: SocketAddr| {
        let listen = Listen {
            address,
            workers: 1,
            server: "the health pages",
            setting: "health.listen",
        };
        let (server, address) = bind(
            listen,
            end.clone(),
            std::time::Duration::from_secs(1),
            pages(health),
        )?;
        tokio::spawn(server);
        Ok(address)
    };
    let address = match listen {
        HealthListen::Off => return Ok(None),
        HealthListen::At(address) => start(address)?,
        HealthListen::Auto => first_free(start)?,
    };
    tracing::info!(server.address = %address, "health pages: http://{address}/readyz");
    Ok(Some(address))
}

/// Several services may share a host; each takes the next port.
fn first_free(start: impl Fn(SocketAddr) -> Result<SocketAddr, Error>) -> Result<SocketAddr, Error> {
    let mut last = None;
    for port in PORTS {
        match start((Ipv4Addr::UNSPECIFIED, port).into()) {
            Err(Error::Listen {
                source,
                address,
                server,
                setting,
            }) if source.kind() == io::ErrorKind::AddrInUse => {
                last = Some(Error::Listen {
                    address,
                    server,
                    setting,
                    source,
                });
            }
            other => return other,
        }
    }
    Err(last.expect("every port of a range that is not empty was in use"))
}
