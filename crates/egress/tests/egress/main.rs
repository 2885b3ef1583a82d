//! The guarded client against receivers and name servers on loopback that behave in every bad way.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

mod answers;
mod certificates;
mod corpus;
mod deadlines;
mod kept_connections;
mod receiver;
mod resolving;
mod secure;

use std::time::Duration;

use hookyard_egress::{Client, Deadlines, IpNet, Method, Policy, Request, Settings};

use testkit::name_server::NameServer;

/// A deadline that is meant to pass.
const SOON: Duration = Duration::from_millis(250);

fn policy(allow: &[&str]) -> Policy {
    Policy::new(allow.iter().map(|net| net.parse::<IpNet>().unwrap()))
}

/// A client that may call this machine.
fn client() -> Client {
    Client::new(Settings {
        policy: policy(&["127.0.0.0/8", "::1/128"]),
        ..Settings::default()
    })
}

/// A client that asks the given name server and may call the given networks.
fn client_asking(server: &NameServer, allow: &[&str]) -> Client {
    let nameservers = vec![server.address()];
    Client::new(Settings {
        policy: policy(allow),
        nameservers,
        ..Settings::default()
    })
}

fn post(url: impl Into<String>) -> Request {
    Request::new(Method::POST, url, "{\"a\":1}")
}

fn post_within(url: impl Into<String>, deadlines: Deadlines) -> Request {
    Request {
        deadlines,
        ..post(url)
    }
}
