//! The conveyor on its two implementations, with a real RabbitMQ for the second.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows the tests' functions, not those they share"
)]

mod conformance;
mod drift;
mod foreign;
mod outage;
mod site;
mod tls;
