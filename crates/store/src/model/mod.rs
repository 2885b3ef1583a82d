//! The rows as the services see them: ids typed, states as enums, secrets redacted.

mod audit;
mod configured;
mod events;
mod handshakes;
mod held;
mod recorded;
mod recoveries;
mod registered;
mod runs;

pub use audit::{Actor, ActorKind, AuditEntry};
pub(crate) use configured::exposed;
pub use configured::{
    AppSecrets, Endpoint, Environment, Names, NewManagementToken, Playbook, PlaybookVersion, Route,
    RoutingTable, SigningSecret, Source, Workspace,
};
pub use events::{Event, EventFilter, EventSummary, NewEvent, Verification};
pub use handshakes::{Captured, Handshakes, NewHandshakes};
pub use held::{Committed, HeldRun, Hold, NewWait, RunCommit, SlotLimit, Slotted, Telling, Told, Unwaited};
pub use recorded::{
    Attempt, Claim, Delivery, DeliveryFilter, Job, ManagementToken, NewRejection, Page, RejectedRequest,
    Rejection, RejectionFilter,
};
pub use recoveries::{Advance, DeadLetters, Recovery, RecoveryLease, RecoveryPreview, Steering};
pub use registered::{ApiKey, Application, Contact, EventType, PortalSession, Project, Template};
pub use runs::{Control, Controlled, Run, RunsOf, StepRow};
