//! `emit` and `listen`.

use super::{Expression, Template};

/// An event to emit: the attributes of a CloudEvent, `type` among them, and `data`.
#[derive(Debug, Clone)]
pub struct EventTemplate {
    /// In order.
    pub attributes: Vec<(String, Template)>,
    /// `data`.
    pub data: Option<Template>,
}

/// `listen`.
#[derive(Debug, Clone)]
pub struct Listen {
    /// One of them, or all.
    pub mode: ListenMode,
    /// What is waited for.
    pub filters: Vec<EventFilter>,
    /// What is kept of an event.
    pub read: ListenRead,
    /// Whether others, and the routes, see the event too: `metadata.delivery: broadcast`. Else it is this run's alone.
    pub broadcast: bool,
}

/// Which of the filters must have matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenMode {
    /// The only one.
    One,
    /// Whichever comes first.
    Any,
    /// Each once.
    All,
}

/// What `listen` keeps of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenRead {
    /// Its data.
    Data,
    /// The whole CloudEvent. `raw` is the same.
    Envelope,
}

/// Which events are waited for.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// Where it stands in the document.
    pub pointer: String,
    /// The exact event type, evaluated when listening begins.
    pub event_type: Template,
    /// The slug of the source, or the `source` of an emitted event; none: any. Evaluated when listening begins.
    pub source: Option<Template>,
    /// A boolean expression over the event's data, without variables; none: any.
    pub data: Option<Expression>,
    /// Sorted by name.
    pub correlate: Vec<Correlation>,
}

/// A value of the event that must be what the run expects.
#[derive(Debug, Clone)]
pub struct Correlation {
    /// Its name.
    pub name: String,
    /// Over the event's envelope (`.data.id`), without variables.
    pub from: Expression,
    /// What it must be, evaluated when listening begins.
    pub expect: Template,
}
