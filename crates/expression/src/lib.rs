//! jq expressions of strangers: route filters, transforms, and the rules by which sources find an event's type and id.
//!
//! *What it is for.* A [`Jail`] takes batches of [`Job`]s, each a program, an input and what is [wanted](Want) of it,
//! and answers each with an [`Output`] or an [`ExpressionError`] that its author understands. It also
//! [checks](Jail::check) programs when they are saved.
//!
//! *What it must never do.* Run a tenant's program, or even parse it, in the process that holds secrets and other
//! tenants' events: jq has no limits of time, memory or stack. All of it happens in worker processes that can do
//! nothing but compute and are killed when they take too long (see [`worker`]). Nor may a program see anything but
//! its input, so that the same event always gets the same answer. No I/O but pipes to its own children, no async
//! runtime: any can await the futures.
//!
//! *Where it sits.* The gateway looks up types and ids, the router asks for the filters and transforms of a batch of
//! events, the console checks what is saved.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use bytes::Bytes;
//! # use hookyard_expression::{Jail, JailError, Job, Options, Output, Want};
//! # async fn route() -> Result<(), JailError> {
//! let jail = Jail::new(Options::default());
//! let body = Bytes::from_static(br#"{"id": 7, "data": {"amount": 150}}"#);
//! let answers = jail
//!     .evaluate(vec![
//!         Job { program: Arc::from(".data.amount > 100"), input: body.clone(), want: Want::Boolean },
//!         Job { program: Arc::from("{id, amount: .data.amount}"), input: body, want: Want::Value },
//!     ])
//!     .await?;
//! assert_eq!(answers[0], Ok(Output::Boolean(true)));
//! assert_eq!(answers[1], Ok(Output::Value(Bytes::from_static(br#"{"id":7,"amount":150}"#))));
//! # Ok(())
//! # }
//! ```

mod compile;
mod confine;
mod engine;
mod error;
mod evaluator;
mod guest;
mod input;
mod jail;
mod job;
mod keeper;
mod limits;
mod output;
mod path;
mod prelude;
mod process;
mod protocol;
mod suspects;
mod value;
pub mod worker;

pub use crate::{
    error::{CompileError, ExpressionError, GuestStop, JailError, NotJson, StopCause},
    evaluator::Evaluator,
    guest::{Guest, NewGuest},
    input::read_json,
    jail::{Jail, Options, Status},
    job::{Account, GuestJob, Job, Output, Want},
    limits::Limits,
    process::Launch,
};
