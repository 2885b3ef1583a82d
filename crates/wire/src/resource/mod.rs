//! What an operator configures, as the services use it: names resolved to ids, defaults filled in, secrets apart.
//!
//! The ledger keeps each of these as one JSON document beside its keys, so a new setting is a field with a default here
//! and no migration. Fields are only ever added, and always with `#[serde(default)]`: the release before reads what this
//! one wrote.

pub mod duration;
mod endpoint;
mod playbook;
mod route;
mod source;

pub use endpoint::{EndpointSpec, RateLimit};
pub use playbook::PlaybookSpec;
pub use route::{RouteSpec, Target};
pub use source::{ChannelSpec, DedupeSpec, SourceSpec, ValueRule, VerifyMode, VerifySpec};
