//! The child's side: a program that turned into a worker, and what it does until it is killed.
//!
//! *Motivation.* A tenant's expression may loop, eat memory, or end the process. A thread cannot be killed; a process
//! can, and takes its memory with it.
//!
//! *Theory of operation.* The parent starts its own program again with a hidden first argument, an empty environment
//! and a socket as standard input. [`run_if_requested`] sees the argument, gives up all it can (see `confine`) and
//! answers requests until the socket closes. There is one thread that works, with a stack that is large enough for
//! any honest program; a program that overruns it ends the process, as one does that eats all memory.

use std::{
    cell::RefCell,
    env,
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd,
    process,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jaq_json::Val;
use nix::sys::resource::{UsageWho, getrusage};

use crate::{
    Evaluator, ExpressionError, Guest, Limits, NewGuest, Output,
    confine::{confine, detach},
    engine::Engine,
    evaluator::Note,
    input,
    job::{Ask, Outcome},
    protocol::{Answers, Pointers, Ready, Request, evaluation_frame, read_frame, write_frame},
};

/// The first argument that turns a program into a worker. The parent's process id follows.
pub(crate) const ARGUMENT: &str = "__expression-worker";

/// Room for some 20,000 levels of recursion in an optimised build. Counts as memory, but is used only when needed.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// Answers wait at most this long for their neighbours, so that little is done again when a later one is fatal.
const FLUSH_AFTER: Duration = Duration::from_millis(5);

/// Answers of this many bytes do not wait for their neighbours.
const FLUSH_BYTES: usize = 64 << 10;

/// A worker that once held this much asks to be replaced: the allocator may never give it back.
const SPENT_KIB: i64 = 128 << 10;

/// Becomes a worker and never returns, if the program was started as one; else returns at once.
///
/// Must be the first call of each `main` whose process has a [`Jail`](crate::Jail): what runs before it runs in each
/// worker too, and unconfined.
pub fn run_if_requested() {
    run_with_if_requested(None);
}

/// The same, with a guest that answers [`Jail::ask_guest`](crate::Jail::ask_guest).
pub fn run_with_guest_if_requested(guest: NewGuest) {
    run_with_if_requested(Some(guest));
}

fn run_with_if_requested(guest: Option<NewGuest>) {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != ARGUMENT) {
        return;
    }
    let parent = arguments.next().and_then(|id| id.to_str()?.parse().ok());
    let is_fine = parent.is_some_and(|parent| serve(parent, guest).is_ok());
    process::exit(if is_fine { 0 } else { 2 });
}

fn serve(parent: u32, guest: Option<NewGuest>) -> io::Result<()> {
    let already_missing = detach(parent)?;
    let reader = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let writer = reader.try_clone()?;
    let work = move || {
        converse(reader, writer, guest, |limits| {
            let mut missing = already_missing;
            missing.extend(confine(limits)?);
            Ok(missing)
        })
    };
    let worker = thread::Builder::new()
        .name("expression".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(work)?;
    worker
        .join()
        .map_err(|_panic| io::Error::other("evaluation panicked"))?
}

/// Talks to the parent until it hangs up. `confine` takes the limits and says which measures are missing.
pub(crate) fn converse(
    mut reader: impl Read,
    writer: impl Write + 'static,
    guest: Option<NewGuest>,
    confine: impl FnOnce(&Limits) -> io::Result<Vec<String>>,
) -> io::Result<()> {
    let mut frame = Vec::new();
    if !read_frame(&mut reader, &mut frame)? {
        return Ok(());
    }
    let limits: Limits = serde_json::from_slice(&frame)?;
    let ready = Ready {
        missing: confine(&limits)?,
    };
    let writer = Rc::new(RefCell::new(writer));
    write_frame(&mut *writer.borrow_mut(), &serde_json::to_vec(&ready)?)?;

    let mut worker = Worker {
        limits,
        engine: Engine::new(limits),
        guest: guest.map(|new| (new(), Evaluator::new(limits))),
        writer,
    };
    while read_frame(&mut reader, &mut frame)? {
        worker.answer(&Request::decode(&frame)?)?;
    }
    Ok(())
}

struct Worker<W> {
    limits: Limits,
    engine: Engine,
    guest: Option<(Box<dyn Guest>, Evaluator)>,
    writer: Rc<RefCell<W>>,
}

impl<W: Write + 'static> Worker<W> {
    fn answer(&mut self, request: &Request<'_>) -> io::Result<()> {
        let mut inputs = Inputs::new(request, self.limits);
        let mut answers = Answers::default();
        let mut flushed = Instant::now();
        for task in &request.tasks {
            let is_due = answers.byte_length() > FLUSH_BYTES || flushed.elapsed() > FLUSH_AFTER;
            if is_due && !answers.is_empty() {
                write_frame(&mut *self.writer.borrow_mut(), &answers.take_frame(false))?;
                flushed = Instant::now();
            }
            answers.push(&self.outcome(*task, request, &mut inputs));
        }
        write_frame(&mut *self.writer.borrow_mut(), &answers.take_frame(is_spent()))
    }

    fn outcome(&mut self, task: Pointers, request: &Request<'_>, inputs: &mut Inputs<'_>) -> Outcome {
        let code = request
            .programs
            .get(task.program)
            .expect("pointers are checked when a request is decoded");
        match task.ask {
            Ask::Check => self.engine.program(code).map(|_| None),
            Ask::Evaluate(want) => {
                let program = self.engine.program(code);
                let input = inputs.take(task.input);
                self.engine.run(&*program?, input?, want).map(Some)
            }
            Ask::Guest { is_named } => {
                let input = request
                    .inputs
                    .get(task.input)
                    .expect("pointers are checked when a request is decoded");
                self.ask_guest(code, input, is_named)
            }
        }
    }

    fn ask_guest(&mut self, program: &str, input: &[u8], is_named: bool) -> Outcome {
        let limit = self.limits.guest_output_bytes;
        // Only a host that never set a guest up would ask for one.
        let (guest, evaluator) = self.guest.as_mut().ok_or(ExpressionError::NoOutput)?;
        let writer = Rc::clone(&self.writer);
        evaluator.set_note(is_named.then(|| -> Note {
            Box::new(move |number, place| {
                // It fails when the parent is gone, and then so will the answer.
                let _ = write_frame(&mut *writer.borrow_mut(), &evaluation_frame(number, place));
            })
        }));
        let answer = guest.answer(program, input, evaluator);
        evaluator.set_note(None);
        if answer.len() > limit {
            return Err(ExpressionError::OutputTooLarge { limit });
        }
        Ok(Some(Output::Value(Bytes::from(answer))))
    }
}

/// The inputs of a request: parsed when first needed, dropped with their last use.
struct Inputs<'r> {
    texts: &'r [&'r [u8]],
    limits: Limits,
    parsed: Vec<Input>,
}

#[derive(Clone, Default)]
struct Input {
    uses: usize,
    value: Option<Result<Val, ExpressionError>>,
}

impl<'r> Inputs<'r> {
    fn new(request: &'r Request<'_>, limits: Limits) -> Self {
        let mut parsed = vec![Input::default(); request.inputs.len()];
        for task in request
            .tasks
            .iter()
            .filter(|task| matches!(task.ask, Ask::Evaluate(_)))
        {
            parsed
                .get_mut(task.input)
                .expect("pointers are checked when a request is decoded")
                .uses += 1;
        }
        Self {
            texts: &request.inputs,
            limits,
            parsed,
        }
    }

    fn take(&mut self, index: usize) -> Result<Val, ExpressionError> {
        let (Some(input), Some(text)) = (self.parsed.get_mut(index), self.texts.get(index)) else {
            unreachable!("pointers are checked when a request is decoded")
        };
        let limits = &self.limits;
        let value = input
            .value
            .get_or_insert_with(|| input::parse(input::validate(text, limits)?));
        input.uses = input.uses.saturating_sub(1);
        // The last user owns the value, and so may change it in place.
        if input.uses == 0 {
            input.value.take().expect("it was inserted above")
        } else {
            value.clone()
        }
    }
}

fn is_spent() -> bool {
    getrusage(UsageWho::RUSAGE_SELF).is_ok_and(|usage| usage.max_rss() > SPENT_KIB)
}
