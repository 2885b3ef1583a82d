//! The words of the domain, and what crosses a process boundary.
//!
//! Every crate and service may depend on this one; it depends on none of them. It has no I/O, no
//! runtime and no clock but [`Instant::now`]: it only says what an id, an event-type pattern, a
//! retry policy or a reference on the conveyor *is*.
//!
//! Where it sits on the path: the gateway makes a [`Reference`] of each accepted event, the
//! router turns it into references to deliveries and runs, the workers consume those.

pub mod circuit;
mod event_type;
pub mod header;
mod id;
mod instant;
pub mod operational;
mod pattern;
mod queue;
pub mod resource;
mod retry;
mod state;

pub use event_type::{EventTypeName, ParseEventTypeError, is_event_type};
pub use id::{
    ApiKeyId, AppId, ApplicationId, AttemptId, AuditId, ConfiguredId, ContactId, DeliveryId, EndpointId,
    EnvironmentId, EventId, EventTypeId, ManagementTokenId, ParseIdError, PlaybookId, PortalSessionId,
    ProjectId, RecoveryId, RejectionId, RouteId, RunId, SourceId, TemplateId, WorkspaceId,
};
pub use instant::{Instant, ParseInstantError};
pub use pattern::{EventTypePattern, ParsePatternError};
pub use queue::{Change, DecodeError, Message, Queue, Reference};
pub use retry::{Next, RetryPolicy, RetryPolicyError};
pub use state::{DeliveryState, Door, EventState, RecoveryState, RunState, StepState, Trigger, UnknownState};
