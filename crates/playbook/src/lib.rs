//! The playbook language: from a document to a program, and from a program and an event to the next state.
//!
//! *What it is for.* A playbook is a document of the Open Workflow Specification 1.0.3, in a strict profile. [`read`]
//! lowers it or says all that is wrong with it; [`step`] is the engine: a pure function of program, state, time and
//! event. [`Engine`] runs both in a jailed process, where a stranger's expressions can do no harm.
//!
//! *What it must never do.* I/O, look at a clock, or draw a random number: the same events give the same state to the
//! last bit, so that a run which was taken over goes on as if nothing had happened. It never has a secret's value
//! (see [`secrets`]).
//!
//! *Where it sits.* The console checks what is saved; the playbook-runner keeps states and does what [`Out`] asks for.
//!
//! # Reading order
//!
//! 1. `program`: the tree of a checked document.
//! 2. `source` and `lower`: how a text becomes one; `operations`: what it takes from OpenAPI documents.
//! 3. `event`: what a run is told, and what comes of it.
//! 4. `reducer`: how.

mod duration;
mod error_types;
mod event;
mod guest;
mod issue;
mod jailed;
mod lower;
mod operations;
mod outline;
mod place;
mod program;
mod reducer;
mod schema;
pub mod secrets;
mod source;

pub use event::*;
pub use issue::{Code, Issue};
pub use jailed::{
    CheckError, Checked, Engine, LARGEST_STATE, StepError, Stepped, Version, run_if_requested, worker,
};
pub use lower::{check, openapi_document, openapi_documents, read};
pub use operations::{Documents, Operations};
pub use outline::Outline;
pub use place::{Place, Places, place};
pub use program::*;
pub use reducer::{Pending, State, pending, step};
