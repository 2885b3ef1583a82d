//! A thread that keeps one worker: takes requests from the queue, asks, and deals with what a worker did not survive.
//!
//! *Theory of operation.* A request may hold programs of many tenants and goes to the worker as one. When the worker
//! does not survive it, nobody knows which task was fatal, only that it is none of those answered. The rest is asked
//! one by one: the innocent get their answers at the first try, and the fatal one is tried twice in fresh workers, in
//! case the machine and not the program was to blame. Evaluation is pure, so doing it again changes nothing.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tracing::{info, warn};

use crate::{
    ExpressionError, GuestStop, JailError, StopCause,
    jail::{Request, Shared},
    job::{Account, Ask, Outcome, Task},
    process::{Process, Report},
};

/// How often an evaluation that ended its worker is tried again.
const RETRIES: usize = 2;

/// How many tasks go to a worker in one frame: some milliseconds of work.
const CHUNK_TASKS: usize = 512;

/// How many bytes of inputs go to a worker in one frame, unless one input alone has more.
const CHUNK_BYTES: usize = 8 << 20;

/// Takes requests until the jail closes, or none has come for a while.
pub(crate) fn keep(shared: &Arc<Shared>) {
    let mut keeper = Keeper {
        shared,
        process: None,
    };
    while let Some((Request { tasks, reply }, lane)) = shared.next() {
        if !reply.is_canceled() {
            let outcomes = keeper.answer(&tasks, &|| reply.is_canceled());
            // The caller may have stopped waiting in the meantime.
            let _ = reply.send(outcomes);
        }
        shared.leave(lane);
    }
}

struct Keeper<'s> {
    shared: &'s Shared,
    process: Option<Process>,
}

impl Keeper<'_> {
    fn answer(&mut self, tasks: &[Task], is_abandoned: &dyn Fn() -> bool) -> Result<Vec<Outcome>, JailError> {
        let begun = Instant::now();
        let mut outcomes: Vec<_> = tasks
            .iter()
            .map(|task| (task, self.refuse(task).map(Err)))
            .collect();
        let mut open: Vec<_> = outcomes
            .iter_mut()
            .filter(|(_, outcome)| outcome.is_none())
            .collect();

        let mut rest = open.as_mut_slice();
        while !rest.is_empty() {
            if is_abandoned() {
                return Err(JailError::Lost);
            }
            let (chunk, later) = rest.split_at_mut(chunk_length(rest.iter().map(|(task, _)| *task)));
            rest = later;

            let asked: Vec<_> = chunk.iter().map(|(task, _)| *task).collect();
            let Report {
                outcomes, stopped, ..
            } = self.ask(&asked, None)?;
            let (answered, unanswered) = chunk.split_at_mut(outcomes.len());
            for (place, outcome) in answered.iter_mut().zip(outcomes) {
                place.1 = Some(outcome);
            }
            let Some(cause) = stopped else { continue };
            self.suspect(&asked);
            for (task, outcome) in unanswered {
                if is_abandoned() {
                    return Err(JailError::Lost);
                }
                *outcome = Some(self.ask_alone(task, cause, begun)?);
            }
        }
        drop(open);
        Ok(outcomes
            .into_iter()
            .map(|(_, outcome)| outcome.expect("each task was refused or asked"))
            .collect())
    }

    /// Refuses a task without asking: too large to send, or stopped too often.
    fn refuse(&self, task: &Task) -> Option<ExpressionError> {
        let limits = self.shared.options.limits;
        let limit = match task.ask {
            Ask::Guest { .. } => limits.guest_program_bytes,
            Ask::Check | Ask::Evaluate(_) => limits.program_bytes,
        };
        if task.program.len() > limit {
            return Some(ExpressionError::TooLong {
                length: task.program.len(),
                limit,
            });
        }
        if task.input.len() > limits.input_bytes {
            return Some(ExpressionError::InputTooLarge {
                length: task.input.len(),
                limit: limits.input_bytes,
            });
        }
        match task.account {
            Account::Program => self
                .suspension(task)
                .map(|wait| ExpressionError::Suspended { wait }),
            Account::Own(_) => None,
        }
    }

    fn suspension(&self, task: &Task) -> Option<Duration> {
        self.shared.suspects().wait(task.suspect(), Instant::now())
    }

    /// Asks for one task whose batch ended its worker, and for it again, and then blames it.
    fn ask_alone(&mut self, task: &Task, cause: StopCause, begun: Instant) -> Result<Outcome, JailError> {
        // Others of the batch may have been the same program.
        if let Some(refusal) = self.refuse(task) {
            return Ok(Err(refusal));
        }
        let mut stop = Stop {
            cause,
            evaluation: None,
        };
        // Which evaluation of a guest's is fatal is found out only now: announcing each costs a write.
        let (named, limit) = match task.ask {
            Ask::Guest { .. } => (
                Ask::Guest { is_named: true },
                Some(self.shared.options.limits.guest_time),
            ),
            other => (other, None),
        };
        let named = Task {
            ask: named,
            ..task.clone()
        };
        let deadline = limit.map(|limit| begun + limit.saturating_sub(task.spent));
        for _ in 0..RETRIES {
            let mut report = self.ask(&[&named], deadline)?;
            let Some(cause) = report.stopped else {
                return Ok(report
                    .outcomes
                    .pop()
                    .expect("a worker that was not stopped answered each task"));
            };
            let evaluation = report.evaluation;
            stop = Stop { cause, evaluation };
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
        }
        Ok(Err(self.blame(task, stop, begun, deadline)))
    }

    /// Remembers a guest's program at its first stop: others of it wait already.
    fn suspect(&self, tasks: &[&Task]) {
        if let [task] = tasks
            && task.may_be_suspected()
        {
            self.shared.suspects().suspect(&task.program, Instant::now());
        }
    }

    /// Puts a stopped evaluation down to its account.
    fn blame(&self, task: &Task, stop: Stop, begun: Instant, deadline: Option<Instant>) -> ExpressionError {
        let now = Instant::now();
        let Stop { cause, evaluation } = stop;
        self.suspect(&[task]);
        self.shared.suspects().record(task.suspect(), now);
        info!(
            error.kind = "stopped",
            program_bytes = task.program.len(),
            "An expression was stopped: it {cause}"
        );
        let Some((evaluation, place)) = evaluation else {
            return ExpressionError::Stopped(cause);
        };
        let is_over = deadline.is_some_and(|deadline| now >= deadline);
        ExpressionError::StoppedIn(Box::new(GuestStop {
            evaluation,
            place,
            cause,
            spent: task.spent + begun.elapsed(),
            is_last: is_over || self.suspension(task).is_some(),
        }))
    }

    /// Asks the worker, after starting or replacing it if need be.
    fn ask(&mut self, tasks: &[&Task], deadline: Option<Instant>) -> Result<Report, JailError> {
        if self.process.as_mut().is_some_and(Process::is_spent) {
            self.dismiss();
        }
        let process = match &mut self.process {
            Some(process) => process,
            none => none.insert(start(self.shared).map_err(|source| JailError::Unavailable {
                program: self.shared.options.launch.program().display().to_string(),
                source,
            })?),
        };
        let report = process.ask(tasks, deadline);
        if report.stopped.is_some() {
            self.dismiss();
            self.shared.counters.stopped.fetch_add(1, Relaxed);
        }
        Ok(report)
    }

    /// Takes the worker off the list and kills it, in this order: an id on the list is nobody else's.
    fn dismiss(&mut self) {
        if let Some(process) = self.process.take() {
            self.shared.lock().workers.retain(|id| Some(*id) != process.id());
        }
    }
}

/// How a task ended its worker, and in which evaluation of a guest's, if it is one and announced any.
struct Stop {
    cause: StopCause,
    evaluation: Option<(u32, String)>,
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        self.dismiss();
    }
}

fn start(shared: &Shared) -> io::Result<Process> {
    let (process, missing) = Process::start(&shared.options.launch, shared.options.limits)?;
    if shared.counters.started.fetch_add(1, Relaxed) == 0 && !missing.is_empty() {
        warn!(
            missing = missing.join(", "),
            "Expression workers are confined less than they could be"
        );
    }
    shared.lock().workers.extend(process.id());
    Ok(process)
}

/// Says how many tasks, but at least one, go together. Clones of an input in a row count once.
fn chunk_length<'t>(tasks: impl Iterator<Item = &'t Task>) -> usize {
    let (mut bytes, mut last) = (0_usize, std::ptr::null());
    let fitting = tasks.take(CHUNK_TASKS).take_while(|task| {
        if task.input.as_ptr() != last {
            bytes = bytes.saturating_add(task.input.len());
            last = task.input.as_ptr();
        }
        bytes <= CHUNK_BYTES
    });
    fitting.count().max(1)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn task(input: Bytes) -> Task {
        Task {
            program: Arc::from("."),
            input,
            ask: Ask::Check,
            account: Account::Program,
            spent: Duration::ZERO,
            evaluates: true,
        }
    }

    #[test]
    fn a_chunk_holds_at_least_one_task_and_no_more_than_fits() {
        let large = Bytes::from(vec![b' '; CHUNK_BYTES / 2]);
        let lengths = |inputs: &[Bytes]| {
            let tasks: Vec<_> = inputs.iter().cloned().map(task).collect();
            chunk_length(tasks.iter())
        };
        assert_eq!(
            lengths(&[Bytes::from(vec![b' '; CHUNK_BYTES + 1]), Bytes::new()]),
            1
        );
        assert_eq!(lengths(&vec![large.clone(); 10]), 10);
        let copies: Vec<_> = (0..10).map(|_| Bytes::copy_from_slice(&large)).collect();
        assert_eq!(lengths(&copies), 2);
        assert_eq!(lengths(&vec![Bytes::new(); 2 * CHUNK_TASKS]), CHUNK_TASKS);
    }
}
