//! What an operator configures, as the services use it: names resolved to ids, defaults filled in, secrets apart.
//!
//! The ledger keeps each of these as one JSON document beside its keys, so a new setting is a field with a default here
//! and no migration. Fields are only ever added, and always with `#[serde(default)]`: the release before reads what this
//! one wrote.

mod app;
mod application;
pub mod duration;
mod endpoint;
mod event_type;
mod playbook;
mod project;
mod recovery;
mod route;
mod sender;
mod source;

pub use app::{Adapter, AppSpec, ContactPolicy};
pub use application::{ApplicationSpec, PortalRole, PortalSpec};
pub use endpoint::{AuthSpec, EndpointSpec, Oauth2Client, RateLimit};
pub use event_type::EventTypeSpec;
pub use playbook::{Ending, HookSpec, PlaybookSpec, RunTarget};
pub use project::{ProjectSpec, TemplateSpec};
pub use recovery::RecoverySpec;
pub use route::{RouteSpec, Target};
pub use sender::{ApiKeySpec, KeyScope, WorkspaceSpec};
pub use source::{ChannelSpec, DedupeSpec, SourceSpec, ValueRule, VerifyMode, VerifySpec};

/// For `#[serde(default = "enabled")]`.
const fn enabled() -> bool {
    true
}
