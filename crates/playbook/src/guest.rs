//! The side of the engine that runs in the jailed worker: one request in, one answer out.
//!
//! A playbook's expressions are a stranger's, and nearly everything that a step does is evaluating them, so the whole
//! step runs here. Programs are kept, since lowering one takes a hundred times as long as a step.

use crate::{
    Documents, Event, Issue, Operations, Out, Outline, Program, State, check, openapi_document,
    openapi_documents, read, step,
};
use expression::{Evaluator, Guest, StopCause};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use wire::Instant;

/// How many programs stay lowered, at some 100 KiB each.
const PROGRAMS: usize = 64;

/// A definition with the operations that it calls, as one text: what a version of a playbook is to the engine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) definition: String,
    pub(crate) operations: Operations,
}

/// What the parent asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) ask: Ask,
    /// Evaluations that are known to end their worker.
    #[serde(default)]
    pub(crate) refused: Vec<(u32, StopCause)>,
}

/// What the parent asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Which documents of others the program's text, a definition, needs.
    Needs,
    /// Whether the program's text is a definition, with the documents that it needs, by their URIs, or why one of them
    /// could not be had.
    Check {
        documents: BTreeMap<String, Result<String, String>>,
    },
    /// What the program, with its pinned operations, is.
    Outline,
    /// One step of a run.
    Step {
        state: Option<Box<RawValue>>,
        at: Instant,
        event: Box<Event>,
    },
}

impl Ask {
    /// Whether expressions of the program are run.
    pub(crate) fn evaluates(&self) -> bool {
        match self {
            Self::Needs | Self::Check { .. } | Self::Outline => true,
            Self::Step { event, .. } => event.evaluates(),
        }
    }
}

/// What the worker answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// It needs these documents, by their URIs.
    Needs(Vec<String>),
    /// It is one, and calls these operations.
    Sound {
        outline: Box<Outline>,
        operations: Operations,
    },
    /// It is none.
    Unsound(Vec<Issue>),
    /// The step was made.
    Stepped { state: Box<RawValue>, out: Box<Out> },
    /// The request makes no sense: a fault of ours.
    Nonsense(String),
}

/// Lowers and steps; keeps programs.
#[derive(Default)]
pub(crate) struct Worker {
    programs: HashMap<Box<str>, Kept>,
    uses: u64,
}

struct Kept {
    program: Result<Rc<Program>, Vec<Issue>>,
    used: u64,
}

impl Guest for Worker {
    fn answer(&mut self, program: &str, input: &[u8], evaluator: &mut Evaluator) -> Vec<u8> {
        let answer = serde_json::from_slice(input)
            .and_then(|request: Request| self.respond(program, request, evaluator))
            .unwrap_or_else(|error| Answer::Nonsense(error.to_string()));
        serde_json::to_vec(&answer).expect("an answer is plain data with text keys, which has a JSON form")
    }
}

impl Worker {
    fn respond(
        &mut self,
        source: &str,
        request: Request,
        evaluator: &mut Evaluator,
    ) -> Result<Answer, serde_json::Error> {
        match request.ask {
            Ask::Needs => Ok(match openapi_documents(source) {
                Ok(needed) => Answer::Needs(needed),
                Err(issue) => Answer::Unsound(vec![issue]),
            }),
            Ask::Check { documents } => {
                evaluator.begin(request.refused);
                Ok(checked(source, documents, evaluator))
            }
            Ask::Outline => Ok(match self.program(source, evaluator)? {
                Ok(program) => Answer::Sound {
                    outline: Box::new(Outline::of(&program)),
                    operations: Operations::default(),
                },
                Err(issues) => Answer::Unsound(issues),
            }),
            Ask::Step { state, at, event } => {
                let program = match self.program(source, evaluator)? {
                    Ok(program) => program,
                    // It was sound when it was saved: a release that reads less than the one before it.
                    Err(issues) => return Ok(Answer::Unsound(issues)),
                };
                let state = state
                    .map(|state| serde_json::from_str::<State>(state.get()))
                    .transpose()?;
                evaluator.begin(request.refused);
                let (state, out) = step(&program, state, at, *event, evaluator);
                Ok(Answer::Stepped {
                    state: RawValue::from_string(serde_json::to_string(&state)?)?,
                    out: Box::new(out),
                })
            }
        }
    }

    /// Lowers a program, or finds it lowered.
    fn program(
        &mut self,
        source: &str,
        evaluator: &mut Evaluator,
    ) -> Result<Result<Rc<Program>, Vec<Issue>>, serde_json::Error> {
        self.uses += 1;
        if !self.programs.contains_key(source) {
            self.make_room();
            evaluator.begin_uncounted();
            let Source {
                definition,
                operations,
            } = serde_json::from_str(source)?;
            let program = read(&definition, &operations, evaluator).map(Rc::new);
            self.programs.insert(source.into(), Kept { program, used: 0 });
        }
        let kept = self
            .programs
            .get_mut(source)
            .expect("it is there because it was inserted above");
        kept.used = self.uses;
        Ok(kept.program.clone())
    }

    fn make_room(&mut self) {
        if self.programs.len() < PROGRAMS {
            return;
        }
        let oldest = self.programs.iter().min_by_key(|(_, kept)| kept.used);
        if let Some(source) = oldest.map(|(source, _)| source.clone()) {
            self.programs.remove(&source);
        }
    }
}

fn checked(
    definition: &str,
    documents: BTreeMap<String, Result<String, String>>,
    evaluator: &mut Evaluator,
) -> Answer {
    let read = |text: String| {
        openapi_document(&text).map_err(|issue| format!("it is neither JSON nor YAML ({})", issue.message))
    };
    let parsed: Documents = documents
        .into_iter()
        .map(|(uri, fetched)| (uri, fetched.and_then(read)))
        .collect();
    match check(definition, &parsed, evaluator) {
        Ok((program, operations)) => Answer::Sound {
            outline: Box::new(Outline::of(&program)),
            operations,
        },
        Err(issues) => Answer::Unsound(issues),
    }
}
