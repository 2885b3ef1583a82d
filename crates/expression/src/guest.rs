//! A language that runs in the worker beside jq, with jq inside it.

use crate::Evaluator;

/// Answers requests in the worker. It keeps what it likes between them, such as compiled programs, but no answer may
/// depend on that.
pub trait Guest {
    /// Answers one request: a text that is the same for many requests, and an input. Errors of the guest's own are
    /// part of its answer, whose form is its own business.
    fn answer(&mut self, program: &str, input: &[u8], evaluator: &mut Evaluator) -> Vec<u8>;
}

/// Makes a worker's guest.
pub type NewGuest = fn() -> Box<dyn Guest>;
