//! What things look like from outside: camelCase, times in UTC with milliseconds, absent is null.
//!
//! A secret has no field in any of these, but for the two that the contract names: a source's token, and the `secret`
//! of an endpoint in the one answer that makes it.

mod bytes;
mod configured;
mod recorded;
mod registered;

pub(crate) use configured::{EndpointView, EnvironmentView, PlaybookView, RouteView, SourceView};
pub(crate) use recorded::{
    AttemptView, ClaimView, DeliveryView, EventDetail, EventView, Payload, RejectionView, RunView, TraceView,
};
pub(crate) use registered::{ApplicationView, EventTypeView, PortalView, SubscriptionView, VisibilityView};
