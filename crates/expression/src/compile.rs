//! From the text of a program to one that runs, or to an error that its author understands.
//!
//! jaq's parser and compiler recurse without a limit: 20,000 parentheses end the process. So this runs in the jail,
//! as evaluation does.

use jaq_core::{
    Compiler, Filter,
    compile::Undefined,
    data::JustLut,
    load::{self, Arena, File, Loader, lex::Expect, span},
};
use jaq_json::Val;

use crate::{
    CompileError,
    prelude::{Prelude, natives, refusal},
};

/// A program that is ready to run.
pub(crate) type Program = Filter<JustLut<Val>>;

/// Compiles a program whose variables have these names, `$` included.
pub(crate) fn compile(prelude: &Prelude, code: &str, names: &[String]) -> Result<Program, CompileError> {
    let arena = Arena::default();
    let modules = Loader::new(prelude.for_program(code))
        .load(&arena, File { code, path: () })
        .map_err(|errors| first(errors, code, describe_load))?;
    // `import … as $x` of data is jaq's other way to read files. Without a value it would panic when it runs.
    load::import(&modules, |_| Err(String::new())).map_err(|errors| first(errors, code, describe_load))?;
    Compiler::default()
        .with_funs(natives())
        .with_global_vars(names.iter().map(String::as_str))
        .compile(modules)
        .map_err(|errors| first(errors, code, |errors| describe_undefined(prelude, &errors)))
}

/// What is wrong, at which part of the program.
type Complaint<'s> = (&'s str, String);

/// Turns jaq's errors into the first one, at its place.
fn first<'s, E>(
    errors: load::Errors<&'s str, (), E>,
    code: &'s str,
    describe: impl Fn(E) -> Option<Complaint<'s>>,
) -> CompileError {
    let mut of_program = errors.into_iter().filter(|(file, _)| file.code == code);
    let complaint = of_program.find_map(|(_, error)| describe(error));
    let (part, message) = complaint.unwrap_or_else(|| (code, "this is not a jq program".to_owned()));
    let before = code.get(..span(code, part).start).unwrap_or_default();
    let (lines, last) = (
        before.matches('\n').count(),
        before.rsplit('\n').next().unwrap_or_default(),
    );
    CompileError {
        line: position(lines),
        column: position(last.chars().count()),
        message,
    }
}

fn position(before: usize) -> u32 {
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

fn describe_load(error: load::Error<&str>) -> Option<Complaint<'_>> {
    match error {
        load::Error::Io(errors) => errors.into_iter().next().map(|(path, _)| {
            (
                path,
                "modules cannot be imported; an expression is one program without files".to_owned(),
            )
        }),
        load::Error::Lex(errors) => errors.into_iter().next().map(|(expected, found)| match expected {
            Expect::Token => (found, format!("{} is not jq", quote(found))),
            expected => (
                found,
                format!("expected {}, found {}", expected.as_str(), quote(found)),
            ),
        }),
        load::Error::Parse(errors) => errors.into_iter().next().map(|(expected, found)| {
            (
                found,
                format!("expected {}, found {}", expected.as_str(), quote(found)),
            )
        }),
    }
}

fn describe_undefined<'s>(prelude: &Prelude, errors: &[(&'s str, Undefined)]) -> Option<Complaint<'s>> {
    let (name, undefined) = errors.first()?;
    let message = match (undefined, refusal(name)) {
        (_, Some(reason)) => format!("`{name}` is not available: {reason}"),
        (Undefined::Filter(given), None) => {
            let arities: Vec<_> = prelude.arities(name).map(|arity| arity.to_string()).collect();
            match arities.as_slice() {
                [] => format!("there is no filter `{name}`"),
                _ => format!("`{name}` takes {} arguments, not {given}", arities.join(" or ")),
            }
        }
        (Undefined::Var, None) => format!("there is no variable `{name}`"),
        (Undefined::Label, None) => format!("there is no label `{name}`"),
        (other, None) => format!("there is no {} `{name}`", other.as_str()),
    };
    Some((name, message))
}

/// Quotes the start of what stands at a place, since jaq's tokens may be whole blocks.
fn quote(found: &str) -> String {
    const SHOWN: usize = 20;
    let line = found.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN) {
        None if line.is_empty() => "the end".to_owned(),
        None => format!("`{line}`"),
        Some((cut, _)) => format!("`{}…`", line.get(..cut).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(code: &str) -> String {
        compile(&Prelude::new(), code, &[])
            .map(|_| ())
            .expect_err("it must not compile")
            .to_string()
    }

    #[test]
    fn a_filter_that_looks_outside_is_refused_with_the_reason() {
        assert_eq!(
            complaint("now - .created > 60"),
            "line 1, column 1: `now` is not available: an expression has no clock, so that a replay gives the same \
             answer; use a time of the input"
        );
        for code in [
            "env",
            "halt",
            "halt_error",
            "debug",
            "stderr",
            "input",
            "[inputs]",
            "localtime",
            "$ENV.HOME",
        ] {
            let message = complaint(code);
            assert!(message.contains("is not available"), "{code}: {message}");
        }
    }

    #[test]
    fn an_unknown_name_is_pointed_at() {
        assert_eq!(
            complaint(".a\n| . as $x\n| fooo"),
            "line 3, column 3: there is no filter `fooo`"
        );
        assert_eq!(
            complaint(".größe == $wert"),
            "line 1, column 4: `öße == $wert` is not jq"
        );
        assert_eq!(
            complaint(".\"größe\" == $wert"),
            "line 1, column 13: there is no variable `$wert`"
        );
        assert_eq!(
            complaint("break $out"),
            "line 1, column 7: there is no label `$out`"
        );
    }

    #[test]
    fn a_wrong_number_of_arguments_says_how_many_are_taken() {
        assert_eq!(
            complaint("test"),
            "line 1, column 1: `test` takes 1 or 2 arguments, not 0"
        );
    }

    #[test]
    fn a_text_that_is_not_jq_says_what_was_expected() {
        assert_eq!(complaint(""), "line 1, column 1: expected term, found the end");
        assert_eq!(
            complaint(".a ="),
            "line 1, column 5: expected term, found the end"
        );
        assert_eq!(
            complaint("(.a"),
            "line 1, column 4: expected closing parenthesis, found the end"
        );
        assert_eq!(complaint(".a & .b"), "line 1, column 4: `& .b` is not jq");
    }

    #[test]
    fn modules_and_data_files_are_refused() {
        for code in [
            "import \"a\" as a; a::b",
            "include \"a\"; .",
            "import \"/etc/passwd\" as $p; $p",
        ] {
            assert!(complaint(code).contains("modules cannot be imported"), "{code}");
        }
    }
}
