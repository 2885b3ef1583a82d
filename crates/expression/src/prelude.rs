//! Which filters expressions may call: jaq's own, without those that look or reach outside.
//!
//! An answer must depend on the program and the input alone, so that a replay, a retry in a fresh worker and the
//! preview in the console agree. Hence no clock, no environment, no time zone of the machine, no further inputs,
//! no output on the side, and nothing that ends the process.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    iter,
};

use jaq_core::{
    data::JustLut,
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    native::Fun,
    path::Part,
};
use jaq_json::Val;

/// What jaq calls a definition: a filter written in jq.
pub(crate) type Definition = Def<&'static str>;

const OUTSIDE: &str = "an expression sees nothing but its input";
const CLOCK: &str =
    "an expression has no clock, so that a replay gives the same answer; use a time of the input";
const ZONE: &str = "an expression has no local time zone; `gmtime` and `strftime` work in UTC";
const ONE_INPUT: &str = "an expression has one input, which is `.`";
const SILENT: &str = "an expression has no output but its value";
const NO_EXIT: &str = "an expression cannot end the process; fail with `error(…)`";

/// The filters that are not linked, and why, as the author of an expression reads it.
const REFUSED: [(&str, &str); 15] = [
    ("$ENV", OUTSIDE),
    ("debug", SILENT),
    ("debug_empty", SILENT),
    ("env", OUTSIDE),
    ("halt", NO_EXIT),
    ("halt_error", NO_EXIT),
    ("input", ONE_INPUT),
    ("input_filename", ONE_INPUT),
    ("input_line_number", ONE_INPUT),
    ("inputs", ONE_INPUT),
    ("localtime", ZONE),
    ("now", CLOCK),
    ("stderr", SILENT),
    ("stderr_empty", SILENT),
    ("strflocaltime", ZONE),
];

/// Says why a filter of jq's is refused, if it is.
pub(crate) fn refusal(name: &str) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(refused, _)| *refused == name)
        .map(|(_, reason)| *reason)
}

/// Returns the filters written in Rust that expressions may call.
pub(crate) fn natives() -> impl Iterator<Item = Fun<JustLut<Val>>> {
    let all = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    all.filter(|(name, _, _)| refusal(name).is_none())
}

/// The filters written in jq, parsed once.
///
/// jaq compiles its whole prelude into each program: 110 KiB and a millisecond. A worker keeps hundreds of programs,
/// so [`for_program`](Self::for_program) gives each only the definitions that it can reach.
#[derive(Debug)]
pub(crate) struct Prelude {
    definitions: Vec<(Definition, BTreeSet<&'static str>)>,
    arities: BTreeMap<&'static str, BTreeSet<usize>>,
}

impl Prelude {
    pub(crate) fn new() -> Self {
        let all = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let definitions: Vec<_> = all
            .filter(|definition| refusal(definition.name).is_none())
            .map(|definition| {
                let mut calls = BTreeSet::new();
                gather_calls(&definition.body, &mut calls);
                (definition, calls)
            })
            .collect();

        let mut arities: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (definition, _) in &definitions {
            arities
                .entry(definition.name)
                .or_default()
                .insert(definition.args.len());
        }
        for (name, arguments, _) in natives() {
            arities.entry(name).or_default().insert(arguments.len());
        }
        Self { definitions, arities }
    }

    /// Returns the definitions that a program can reach, in their order, since later ones shadow earlier ones.
    ///
    /// Each word of the text counts as a call, also in a string or a comment: too many do no harm.
    pub(crate) fn for_program(&self, program: &str) -> Vec<Definition> {
        let is_break = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let mut reached: HashSet<&str> = program.split(is_break).collect();
        // Definitions call only themselves and earlier ones, so one pass from the last to the first finds all.
        let mut definitions: Vec<_> = self
            .definitions
            .iter()
            .rev()
            .filter(|(definition, calls)| {
                let is_reached = reached.contains(bare(definition.name));
                if is_reached {
                    reached.extend(calls);
                }
                is_reached
            })
            .map(|(definition, _)| definition.clone())
            .collect();
        definitions.reverse();
        definitions
    }

    /// Returns how many arguments the filters of a name take.
    pub(crate) fn arities(&self, name: &str) -> impl Iterator<Item = usize> {
        self.arities.get(name).into_iter().flatten().copied()
    }
}

/// Strips the sign of a format: `@base64` is the word `base64` after an `@`.
fn bare(name: &str) -> &str {
    name.trim_start_matches('@')
}

fn gather_calls(term: &Term<&'static str>, calls: &mut BTreeSet<&'static str>) {
    if let Term::Call(name, _) | Term::Str(Some(name), _) = term {
        calls.insert(bare(name));
    }
    for part in parts(term) {
        gather_calls(part, calls);
    }
}

/// Returns the terms that a term directly consists of.
fn parts<'t>(term: &'t Term<&'static str>) -> Vec<&'t Term<&'static str>> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {
            Vec::new()
        }
        Term::Str(_, parts) => parts
            .iter()
            .filter_map(|part| {
                if let StrPart::Term(inner) = part {
                    Some(inner)
                } else {
                    None
                }
            })
            .collect(),
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => vec![inner],
        Term::Obj(entries) => entries
            .iter()
            .flat_map(|(key, value)| iter::once(key).chain(value))
            .collect(),
        Term::BinOp(left, BinaryOp::Pipe(Some(pattern)), right) => [&**left, &**right]
            .into_iter()
            .chain(parts_of_pattern(pattern))
            .collect(),
        Term::BinOp(left, _, right) => vec![left, right],
        Term::Fold(_, source, pattern, arguments) => iter::once(&**source)
            .chain(arguments)
            .chain(parts_of_pattern(pattern))
            .collect(),
        Term::TryCatch(attempt, otherwise) => {
            iter::once(attempt).chain(otherwise).map(|term| &**term).collect()
        }
        Term::IfThenElse(branches, otherwise) => branches
            .iter()
            .flat_map(|(when, then)| [when, then])
            .chain(otherwise.as_deref())
            .collect(),
        Term::Def(definitions, body) => definitions
            .iter()
            .map(|definition| &definition.body)
            .chain([&**body])
            .collect(),
        Term::Call(_, arguments) => arguments.iter().collect(),
        Term::Path(head, path) => iter::once(&**head)
            .chain(path.0.iter().flat_map(|(part, _)| bounds(part)))
            .collect(),
    }
}

fn bounds<T>(part: &Part<T>) -> impl Iterator<Item = &T> {
    let (first, second) = match part {
        Part::Index(index) => (Some(index), None),
        Part::Range(from, to) => (from.as_ref(), to.as_ref()),
    };
    first.into_iter().chain(second)
}

fn parts_of_pattern<'t>(pattern: &'t Pattern<&'static str>) -> Vec<&'t Term<&'static str>> {
    match pattern {
        Pattern::Var(_) => Vec::new(),
        Pattern::Arr(patterns) => patterns.iter().flat_map(parts_of_pattern).collect(),
        Pattern::Obj(entries) => entries
            .iter()
            .flat_map(|(key, inner)| iter::once(key).chain(parts_of_pattern(inner)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;

    #[test]
    fn every_definition_finds_what_it_calls() {
        let prelude = Prelude::new();
        let names: Vec<_> = prelude
            .definitions
            .iter()
            .map(|(definition, _)| bare(definition.name))
            .collect();
        let everything = format!(". # {}", names.join(" "));

        assert_eq!(prelude.for_program(&everything).len(), prelude.definitions.len());
        compile(&prelude, &everything, &[]).expect("the prelude compiles without what is refused");
    }

    #[test]
    fn each_filter_alone_compiles_with_what_it_reaches() {
        let prelude = Prelude::new();
        for (name, arities) in &prelude.arities {
            for arity in arities {
                let arguments = vec!["."; *arity].join("; ");
                let call = if *arity == 0 {
                    (*name).to_owned()
                } else {
                    format!("{name}({arguments})")
                };
                compile(&prelude, &call, &[]).unwrap_or_else(|error| panic!("{call}: {error}"));
            }
        }
    }

    #[test]
    fn nothing_is_linked_that_looks_outside() {
        let prelude = Prelude::new();
        for (name, _) in REFUSED {
            assert_eq!(prelude.arities(name).count(), 0, "{name}");
        }
    }

    /// A new version of jaq may bring a new filter in Rust. Someone must look at it before it is linked.
    #[test]
    fn the_filters_in_rust_are_those_that_were_reviewed() {
        assert_eq!(
            natives().count(),
            107,
            "review the new filters, then correct the number"
        );
    }
}
