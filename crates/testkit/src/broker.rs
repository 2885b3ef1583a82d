//! A namespace at the RabbitMQ of the tests.

use crate::given;
use std::net::{SocketAddr, ToSocketAddrs as _};
use url::Url;
use uuid::Uuid;

/// The test broker, and a prefix that keeps one test's queues apart from all others'.
#[derive(Debug, Clone)]
pub struct TestBroker {
    url: Url,
    namespace: String,
}

/// The RabbitMQ of the tests with a fresh namespace.
///
/// A test does not remove its queues: declare them with an expiry, so that the broker does.
pub fn rabbitmq() -> TestBroker {
    TestBroker {
        url: given::server("HOOKYARD_TEST_RABBITMQ"),
        namespace: format!("test.{}.", Uuid::new_v4().simple()),
    }
}

impl TestBroker {
    /// `amqp://user:password@host:port/%2f`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// What every name of this test's queues begins with, `test.<32 hexadecimal digits>.`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where the broker listens, for a [`Proxy`](crate::proxy::Proxy) in front of it.
    pub fn address(&self) -> SocketAddr {
        let host = self.url.host_str().unwrap_or("localhost");
        (host, self.url.port().unwrap_or(5672))
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .expect("the test broker's host has an address, because it is 127.0.0.1")
    }

    /// The same broker through `address`.
    pub fn url_through(&self, address: SocketAddr) -> String {
        let mut url = self.url.clone();
        let changed = url.set_host(Some(&address.ip().to_string())).and_then(|()| {
            url.set_port(Some(address.port()))
                .map_err(|()| url::ParseError::InvalidPort)
        });
        changed.expect("host and port of an amqp URL can be changed, because it has a base");
        url.into()
    }
}
