//! Where expressions are evaluated: a bounded queue, and as many workers behind it as may be busy at once.
//!
//! Nothing here needs an async runtime. A request waits in the queue, a keeper (a thread with one worker) takes it, and
//! a oneshot channel wakes the caller. Keepers and workers start when they are needed and end when they are not.
//!
//! A guest's programs that were stopped lately wait in a lane of their own, behind everybody else, and one worker is kept
//! free of them: a thousand runs of a playbook that never ends cost the others one worker of two, and no time. Only a few may
//! wait there; the rest is refused, so that whoever holds something for them can let go of it.

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_channel::oneshot;

use crate::{
    ExpressionError, JailError, Job, Limits, Output, Want,
    job::{Account, Ask, GuestJob, Outcome, Task},
    keeper::keep,
    path::PlainPath,
    process::Launch,
    suspects::Suspects,
};

/// Inputs up to this size are searched for a plain path on the caller's thread: it takes under 200 µs.
const LOOK_UP_BYTES: usize = 64 << 10;

/// How many requests of suspected programs may wait for each worker that they may have.
const SUSPECTS_WAITING: usize = 2;

/// How a [`Jail`] is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// What one evaluation may use.
    pub limits: Limits,
    /// How many workers there are at most. As many as cores: evaluation does nothing but compute.
    pub workers: NonZero<usize>,
    /// How many requests may wait. 1,024, each of them a batch.
    pub queue: usize,
    /// How long a worker without requests is kept. A minute.
    pub idle: Duration,
    /// What becomes a worker.
    pub launch: Launch,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            workers: thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            queue: 1024,
            idle: Duration::from_mins(1),
            launch: Launch::ThisProgram,
        }
    }
}

/// Evaluates expressions of strangers in processes that may die of it.
///
/// Clones share the workers, which are killed when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Jail {
    open: Arc<Open>,
}

impl Jail {
    /// Sets a jail up. Starts nothing: the first request does.
    pub fn new(options: Options) -> Self {
        let shared = Shared {
            options,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            suspects: Mutex::default(),
            counters: Counters::default(),
        };
        Self {
            open: Arc::new(Open(Arc::new(shared))),
        }
    }

    /// Sets a jail up whose workers are threads: for tests whose program cannot become a worker, as `cargo test`'s
    /// cannot. The same code runs, but nothing confines it, and an evaluation without end lives on after its caller
    /// was answered.
    #[cfg(any(test, feature = "testing"))]
    pub fn in_thread() -> Self {
        Self::new(Options {
            launch: Launch::Thread(None),
            ..Options::default()
        })
    }

    /// The same, with a guest.
    #[cfg(any(test, feature = "testing"))]
    pub fn in_thread_with(guest: crate::NewGuest) -> Self {
        Self::new(Options {
            launch: Launch::Thread(Some(guest)),
            ..Options::default()
        })
    }

    /// Has a program suspended, as if it had been stopped too often.
    #[cfg(any(test, feature = "testing"))]
    pub fn suspend(&self, program: &str) {
        let (program, now): (Arc<str>, _) = (program.into(), Instant::now());
        while self.shared().suspects().wait(&program, now).is_none() {
            self.shared().suspects().record(&program, now);
        }
    }

    /// Evaluates many programs on many inputs as one request. The answers are in the order of the jobs.
    ///
    /// Put the jobs of one event together and give them clones of one `Bytes`.
    ///
    /// Each job has its own time, and requests wait for those before them: for a deadline, put your runtime's timeout
    /// around the future. It blocks no thread, and dropping it gives the request up: what was not begun is not done.
    ///
    /// [`ExpressionError::Stopped`] and [`ExpressionError::Suspended`] may pass; all other errors are as final as an
    /// output.
    pub async fn evaluate(&self, jobs: Vec<Job>) -> Result<Vec<Result<Output, ExpressionError>>, JailError> {
        if let Some(answers) = look_up(&jobs, &self.shared().options.limits) {
            return Ok(answers);
        }
        let outcomes = self.submit(jobs.into_iter().map(Task::from).collect()).await?;
        let has_output =
            "an evaluation has an output because the worker's answers are checked against what was asked";
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.map(|output| output.expect(has_output)))
            .collect())
    }

    /// Evaluates one program on one input.
    ///
    /// A plain path such as `.data.id` that is wanted as [`Want::Text`] is looked up at once, without a worker.
    pub async fn evaluate_one(&self, job: Job) -> Result<Result<Output, ExpressionError>, JailError> {
        let answers = self.evaluate(vec![job]).await?;
        Ok(answers
            .into_iter()
            .next()
            .expect("there is one answer because there was one job"))
    }

    /// Says whether programs compile, in their order: for refusing them when they are saved.
    pub async fn check(
        &self,
        programs: Vec<Arc<str>>,
    ) -> Result<Vec<Result<(), ExpressionError>>, JailError> {
        let check = |program| Task {
            program,
            input: Bytes::new(),
            ask: Ask::Check,
            account: Account::Program,
            spent: Duration::ZERO,
            evaluates: true,
        };
        let outcomes = self.submit(programs.into_iter().map(check).collect()).await?;
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.map(|_no_output| ()))
            .collect())
    }

    /// Hands a program and an input to the worker's [`Guest`](crate::Guest), and returns its answer.
    ///
    /// Where one of the guest's evaluations ends the worker, the error is [`ExpressionError::StoppedIn`] with its
    /// number; [`Evaluator::begin`](crate::Evaluator::begin) of the next try can be told, unless it was the last.
    pub async fn ask_guest(&self, job: GuestJob) -> Result<Result<Bytes, ExpressionError>, JailError> {
        let outcomes = self.submit(vec![Task::from(job)]).await?;
        let outcome = outcomes.into_iter().next().ok_or(JailError::Lost)?;
        Ok(outcome.and_then(|output| match output {
            Some(Output::Value(answer)) => Ok(answer),
            // The worker's answers are checked against what was asked, so there is no other.
            _ => Err(ExpressionError::NoOutput),
        }))
    }

    /// Whether this program of a guest's was stopped lately: what it asks for shares the workers that are not kept for others.
    pub fn suspects(&self, program: &str) -> bool {
        self.shared().suspects().is_suspected(program, Instant::now())
    }

    /// Says how busy the jail is, for metrics and operators.
    pub fn status(&self) -> Status {
        let shared = self.shared();
        let queue = shared.lock();
        Status {
            waiting: queue.waiting.len() + queue.suspected.len(),
            workers: queue.workers.clone(),
            started: shared.counters.started.load(Relaxed),
            stopped: shared.counters.stopped.load(Relaxed),
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.open.0
    }

    async fn submit(&self, tasks: Vec<Task>) -> Result<Vec<Outcome>, JailError> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        self.shared().push(Request { tasks, reply })?;
        answer.await.unwrap_or(Err(JailError::Lost))
    }
}

/// How busy a [`Jail`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How many requests wait.
    pub waiting: usize,
    /// The process ids of the workers that are alive.
    pub workers: Vec<u32>,
    /// How many workers were started so far.
    pub started: u64,
    /// How many workers did not survive a request so far.
    pub stopped: u64,
}

/// Answers jobs that only look something up in small inputs. `None` if any job is more than that.
fn look_up(jobs: &[Job], limits: &Limits) -> Option<Vec<Result<Output, ExpressionError>>> {
    let total: usize = jobs.iter().map(|job| job.input.len()).sum();
    if total > LOOK_UP_BYTES || jobs.iter().any(|job| job.want != Want::Text) {
        return None;
    }
    jobs.iter()
        .map(|job| PlainPath::parse(&job.program)?.text(&job.input, limits))
        .collect()
}

/// The callers' share of the jail: the last one to go closes it.
#[derive(Debug)]
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.arrived.notify_all();
    }
}

/// Tasks that wait for a keeper, and who waits for them.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) tasks: Vec<Task>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Outcome>, JailError>>,
}

/// Which lane a request waited in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Everybody,
    Suspected,
}

/// What callers and keepers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    queue: Mutex<Queue>,
    arrived: Condvar,
    suspects: Mutex<Suspects>,
    pub(crate) counters: Counters,
}

/// Events of the jail's life.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) started: AtomicU64,
    pub(crate) stopped: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Request>,
    /// Those of suspected programs.
    suspected: VecDeque<Request>,
    /// How many keepers are at one of these.
    at_suspected: usize,
    keepers: usize,
    /// Keepers that wait for a request, including those just woken for one of `waiting`.
    idle: usize,
    is_closed: bool,
    /// The process ids of the workers.
    pub(crate) workers: Vec<u32>,
}

impl Queue {
    fn lane(&mut self, is_suspected: bool) -> &mut VecDeque<Request> {
        if is_suspected {
            &mut self.suspected
        } else {
            &mut self.waiting
        }
    }
}

impl Shared {
    /// A panic while a lock was held leaves whole values behind: none is changed in more than one step.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn suspects(&self) -> MutexGuard<'_, Suspects> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, request: Request) -> Result<(), JailError> {
        // Before the lock: it may have to read a program as long as one can be.
        let is_suspected = self.is_suspected(&request);
        let mut queue = self.lock();
        let waiting = queue.waiting.len() + queue.suspected.len();
        if waiting >= self.options.queue {
            return Err(JailError::Busy { waiting });
        }
        if is_suspected && self.has_no_room_for(&request, &queue) {
            return Err(JailError::Suspected);
        }
        queue.lane(is_suspected).push_back(request);
        if waiting >= queue.idle && queue.keepers < self.options.workers.get() {
            let shared = Arc::clone(self);
            let thread = thread::Builder::new().name("expression-keeper".to_owned());
            match thread.spawn(move || keep(&shared)) {
                Ok(_detached) => queue.keepers += 1,
                // The keepers there are will come to it.
                Err(_) if queue.keepers > 0 => {}
                Err(source) => {
                    queue.lane(is_suspected).pop_back();
                    return Err(JailError::Unavailable {
                        program: "a thread".to_owned(),
                        source,
                    });
                }
            }
        }
        self.arrived.notify_one();
        Ok(())
    }

    fn is_suspected(&self, request: &Request) -> bool {
        let (suspects, now) = (self.suspects(), Instant::now());
        let is_suspected = |task: &Task| task.may_be_suspected() && suspects.is_suspected(&task.program, now);
        request.tasks.iter().all(is_suspected)
    }

    /// Whether too many suspected ones wait already. One that is tried again goes on with what it has learnt.
    fn has_no_room_for(&self, request: &Request, queue: &Queue) -> bool {
        let is_new = request.tasks.iter().all(|task| task.spent.is_zero());
        is_new && queue.suspected.len() >= SUSPECTS_WAITING * self.workers_of_suspected()
    }

    /// All but one, where there are several.
    fn workers_of_suspected(&self) -> usize {
        self.options.workers.get().saturating_sub(1).max(1)
    }

    /// Takes a request off the queue: everybody's first.
    fn take(&self, queue: &mut Queue) -> Option<(Request, Lane)> {
        while let Some(request) = queue.waiting.pop_front() {
            if !self.is_suspected(&request) {
                return Some((request, Lane::Everybody));
            }
            // It came before its program was stopped.
            if self.has_no_room_for(&request, queue) {
                let _ = request.reply.send(Err(JailError::Suspected));
            } else {
                queue.suspected.push_back(request);
            }
        }
        if queue.at_suspected >= self.workers_of_suspected() {
            return None;
        }
        let request = queue.suspected.pop_front()?;
        queue.at_suspected += 1;
        Some((request, Lane::Suspected))
    }

    /// After a request was answered.
    pub(crate) fn leave(&self, lane: Lane) {
        if lane == Lane::Suspected {
            self.lock().at_suspected -= 1;
        }
    }

    /// Waits for a request. `None` ends the keeper, which is no longer counted then.
    pub(crate) fn next(&self) -> Option<(Request, Lane)> {
        let mut queue = self.lock();
        let since = Instant::now();
        loop {
            if let Some(taken) = self.take(&mut queue) {
                return Some(taken);
            }
            let left = self.options.idle.saturating_sub(since.elapsed());
            if queue.is_closed || left.is_zero() {
                queue.keepers -= 1;
                return None;
            }
            queue.idle += 1;
            queue = self
                .arrived
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            queue.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;

    #[test]
    fn a_thread_answers_as_a_process_does() {
        let jail = Jail::in_thread();
        let job = |program: &str, want| Job {
            program: program.into(),
            input: Bytes::from_static(b"[1, 2]"),
            want,
        };
        let answers = block_on(jail.evaluate(vec![
            job("length > 1", Want::Boolean),
            job("map(. * 2)", Want::Value),
            job("map(. *", Want::Value),
            job("first", Want::Text),
        ]))
        .unwrap();
        assert_eq!(answers[0], Ok(Output::Boolean(true)));
        assert_eq!(answers[1], Ok(Output::Value(Bytes::from_static(b"[2,4]"))));
        assert_eq!(answers[2].as_ref().map_err(ExpressionError::kind), Err("compile"));
        assert_eq!(answers[3], Ok(Output::Text(Some("1".to_owned()))));
        assert_eq!(jail.status().started, 1);
    }
}
