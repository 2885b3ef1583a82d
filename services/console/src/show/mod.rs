//! What things look like from outside: camelCase, times in UTC with milliseconds, absent is null.
//!
//! A secret has no field in any of these, but for a source's token, and for those that were made in the one answer that
//! makes them.

mod audit;
mod auth;
pub(crate) mod bytes;
mod configured;
mod diff;
mod events;
mod explained;
mod lane;
mod playbooks;
mod policy;
mod recorded;
mod recoveries;
mod registered;
mod runs;
mod senders;
mod targets;
mod workspace;

pub(crate) use audit::AuditEntryView;
pub(crate) use configured::{EndpointView, EnvironmentView, RouteView, SourceView};
pub(crate) use diff::{Change, DeliveryChange, DiffView, Sends, Was};
pub(crate) use events::{EventDetail, EventView, TraceView};
pub(crate) use explained::{ExplanationView, Making};
pub(crate) use lane::LaneView;
pub(crate) use playbooks::{CheckedView, PlaybookView, VersionView};
pub(crate) use recorded::{AttemptView, ClaimView, DeliveryView, Payload, RejectionView};
pub(crate) use recoveries::{DeadLettersView, PreviewView, RecoveryView};
pub(crate) use registered::{ApplicationView, EventTypeView, PortalView, SubscriptionView, VisibilityView};
pub(crate) use runs::{RunView, StepView};
pub(crate) use senders::{ApiKeyView, ContactView, ManagementTokenView};
pub(crate) use targets::{ProjectView, TemplateView};
pub(crate) use workspace::WorkspaceView;
