//! Settings: what an operator decides about a process before it starts.
//!
//! `config/default.toml` is complete, commented and compiled in: it is the list of all keys, their documentation and
//! their defaults at once. [`Sources`] lays a file, the environment and command-line flags over it and turns the
//! result into [`Settings`] once; a key that the defaults do not have is refused with the nearest one that they do.
//!
//! What tenants configure (sources, routes, endpoints) is not here but in the ledger, through `hookyard apply`.

mod checks;
mod defaults;
mod effective;
mod layer;
mod layers;
mod meaning;
mod schema;
mod sections;
mod values;

pub use effective::Effective;
pub use ipnet::IpNet;
pub use layers::Sources;
pub use schema::schema;
pub use sections::{
    Broker, BrokerUrl, Console, Database, Delivery, Egress, Gateway, Health, HealthListen, Log, Playbook,
    Queues, Retention, Router, Secrets, Settings, Shutdown, Telemetry,
};
pub use values::{ByteSize, HttpUrl, Level, LogFormat};
