//! The parent's side of one worker: start it, ask it, end it.

use std::{
    io::{self, BufReader},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tracing::debug;

use crate::{
    Limits, Output, StopCause, Want,
    job::{Ask, Outcome, Task},
    protocol::{Answers, Ready, Said, encode_request, read_frame, write_frame},
    worker::ARGUMENT,
};

/// How long a worker may take to say that it is ready. It takes some 10 ms; more on a machine that is all swap.
const START: Duration = Duration::from_secs(10);

/// What becomes a worker.
#[derive(Clone, Debug)]
pub enum Launch {
    /// The program that runs now, also when its file was replaced since. Its `main` must call
    /// [`run_if_requested`](crate::worker::run_if_requested) first.
    ThisProgram,
    /// Another program whose `main` does so, such as `hookyard-expression-worker`.
    Program(PathBuf),
    /// A thread, for tests: it cannot be confined or killed.
    #[cfg(any(test, feature = "testing"))]
    Thread(Option<crate::NewGuest>),
}

impl Launch {
    /// Names the program for errors.
    pub(crate) fn program(&self) -> PathBuf {
        match self {
            // The link leads to the running program even after an upgrade has unlinked its file.
            Self::ThisProgram if cfg!(target_os = "linux") => PathBuf::from("/proc/self/exe"),
            Self::ThisProgram => std::env::current_exe().unwrap_or_default(),
            Self::Program(path) => path.clone(),
            #[cfg(any(test, feature = "testing"))]
            Self::Thread(_) => PathBuf::from("a thread"),
        }
    }
}

/// A worker that is ready.
#[derive(Debug)]
pub(crate) struct Process {
    socket: BufReader<UnixStream>,
    /// None: a thread of a test.
    child: Option<Reaped>,
    limits: Limits,
    is_spent: bool,
    frame: Vec<u8>,
}

/// What a worker made of a request.
#[derive(Debug)]
pub(crate) struct Report {
    /// The outcomes of the first tasks, or of all.
    pub(crate) outcomes: Vec<Outcome>,
    /// Why there are no more. The worker is dead or of no use.
    pub(crate) stopped: Option<StopCause>,
    /// The last evaluation that it announced, and its place.
    pub(crate) evaluation: Option<(u32, String)>,
}

impl Process {
    /// Starts a worker and waits until it is confined. Also returns the measures that this system lacks.
    pub(crate) fn start(launch: &Launch, limits: Limits) -> io::Result<(Self, Vec<String>)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_write_timeout(Some(START))?;
        ours.set_read_timeout(Some(START))?;
        let child = match launch {
            Launch::ThisProgram | Launch::Program(_) => Some(Reaped(spawn(&launch.program(), theirs)?)),
            #[cfg(any(test, feature = "testing"))]
            Launch::Thread(guest) => in_thread(theirs, *guest)?,
        };
        let socket = BufReader::with_capacity(64 << 10, ours);
        let mut process = Self {
            socket,
            child,
            limits,
            is_spent: false,
            frame: Vec::new(),
        };
        let missing = process.greet().map_err(|error| {
            let way_out = "its main must call expression::worker::run_if_requested() first";
            io::Error::new(
                error.kind(),
                format!("it did not answer as a worker ({error}); {way_out}"),
            )
        })?;
        process.socket.get_ref().set_read_timeout(Some(limits.time))?;
        process.socket.get_ref().set_write_timeout(Some(limits.time))?;
        debug!(process.id = process.id(), "an expression worker is ready");
        Ok((process, missing))
    }

    fn greet(&mut self) -> io::Result<Vec<String>> {
        write_frame(self.socket.get_mut(), &serde_json::to_vec(&self.limits)?)?;
        if !read_frame(&mut self.socket, &mut self.frame)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice::<Ready>(&self.frame)?.missing)
    }

    /// Says which process it is, for operators; a thread is none.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(|child| child.0.id())
    }

    /// Whether it must be replaced before the next request.
    pub(crate) fn is_spent(&mut self) -> bool {
        // One that somebody else killed while it was idle costs nobody a try.
        self.is_spent
            || self
                .child
                .as_mut()
                .is_some_and(|child| !matches!(child.0.try_wait(), Ok(None)))
    }

    /// Asks for outcomes. A worker that makes no progress for as long as one evaluation may take is given up: it must
    /// be dropped, as one that is dead. So is one that is not done at the deadline, however much progress it makes.
    pub(crate) fn ask(&mut self, tasks: &[&Task], deadline: Option<Instant>) -> Report {
        let mut outcomes = Vec::with_capacity(tasks.len());
        let mut evaluation = None;
        let stopped = self
            .gather(tasks, deadline, &mut outcomes, &mut evaluation)
            .err()
            .map(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if is_past(deadline) => {
                    StopCause::Total {
                        limit: self.limits.guest_time,
                    }
                }
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => StopCause::Time {
                    limit: self.limits.time,
                },
                _ => StopCause::Collapse {
                    memory_mib: self.limits.memory_bytes >> 20,
                },
            });
        Report {
            outcomes,
            stopped,
            evaluation,
        }
    }

    fn gather(
        &mut self,
        tasks: &[&Task],
        deadline: Option<Instant>,
        outcomes: &mut Vec<Outcome>,
        evaluation: &mut Option<(u32, String)>,
    ) -> io::Result<()> {
        write_frame(self.socket.get_mut(), &encode_request(tasks))?;
        while outcomes.len() < tasks.len() {
            let asked = Instant::now();
            if !read_frame(&mut self.socket, &mut self.frame)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // The socket's own limit is for each read: a frame that trickles in would pass it for ever.
            if asked.elapsed() > self.limits.time * 2 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let (is_spent, more) = match Answers::decode(&self.frame)? {
                Said::Outcomes { is_spent, outcomes } => (is_spent, outcomes),
                Said::Evaluation(number, place) => {
                    *evaluation = Some((number, place));
                    // Each evaluation has a time of its own, and there may be thousands.
                    if is_past(deadline) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    continue;
                }
            };
            let open = tasks.get(outcomes.len()..).unwrap_or_default();
            let all_fit = more
                .iter()
                .zip(open)
                .all(|(outcome, task)| fits(outcome, task.ask));
            if more.is_empty() || more.len() > open.len() || !all_fit {
                return Err(io::ErrorKind::InvalidData.into());
            }
            outcomes.extend(more);
            self.is_spent = is_spent;
        }
        Ok(())
    }
}

fn is_past(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// Whether an outcome has the shape that was asked for.
fn fits(outcome: &Outcome, ask: Ask) -> bool {
    match outcome {
        Err(_) => true,
        Ok(None) => ask == Ask::Check,
        Ok(Some(Output::Boolean(_))) => ask == Ask::Evaluate(Want::Boolean),
        Ok(Some(Output::Value(_))) => matches!(ask, Ask::Evaluate(Want::Value) | Ask::Guest { .. }),
        Ok(Some(Output::Text(_))) => ask == Ask::Evaluate(Want::Text),
    }
}

/// A child process that is killed and waited for when it is dropped: no worker outlives its keeper, none is a zombie.
#[derive(Debug)]
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // Killing fails only for one that ended already, and then waiting returns at once.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(program: &std::path::Path, socket: UnixStream) -> io::Result<Child> {
    Command::new(program)
        .arg0("hookyard-expression")
        .arg(ARGUMENT)
        .arg(std::process::id().to_string())
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

#[cfg(any(test, feature = "testing"))]
fn in_thread(socket: UnixStream, guest: Option<crate::NewGuest>) -> io::Result<Option<Reaped>> {
    let writer = socket.try_clone()?;
    let work = move || {
        // It ends with an error when the parent hangs up in the middle, which is all that ends it.
        let _ = crate::worker::converse(socket, writer, guest, |_| Ok(Vec::new()));
    };
    std::thread::Builder::new()
        .name("expression".to_owned())
        .stack_size(crate::worker::STACK_BYTES)
        .spawn(work)
        .map(|_detached| None)
}
