//! Evaluation itself: a cache of compiled programs, and one program run on one input.
//!
//! Nothing here defends itself against a program that does not end, eats memory or recurses without bottom. It must
//! run in the worker process and nowhere else; the jail ends that process. See `worker`.

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use jaq_core::{Ctx, Exn, Vars, data::JustLut};
use jaq_json::Val;

use crate::{
    CompileError, ExpressionError, Limits, Output, Want,
    compile::{Program, compile},
    output::{convert, show},
    prelude::Prelude,
};

/// How much of a failure's message is kept: it may quote the input.
const MESSAGE_BYTES: usize = 300;

/// How many programs stay compiled, at 5 to 100 KiB each. Twice what a busy workspace has as routes.
const PROGRAMS: usize = 512;

/// Compiles and runs programs.
pub(crate) struct Engine {
    limits: Limits,
    prelude: Prelude,
    programs: HashMap<Box<str>, Cached>,
    uses: u64,
}

/// A program or its error, since a broken one is asked for as often as a good one.
struct Cached {
    program: Result<Rc<Program>, CompileError>,
    used: u64,
}

impl Engine {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            prelude: Prelude::new(),
            programs: HashMap::new(),
            uses: 0,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Compiles a program, or finds it compiled.
    pub(crate) fn program(&mut self, code: &str) -> Result<Rc<Program>, ExpressionError> {
        self.program_with(code, &[])
    }

    /// Compiles a program whose variables have these names, `$` included, or finds it compiled.
    pub(crate) fn program_with(
        &mut self,
        code: &str,
        names: &[String],
    ) -> Result<Rc<Program>, ExpressionError> {
        if code.len() > self.limits.program_bytes {
            return Err(ExpressionError::TooLong {
                length: code.len(),
                limit: self.limits.program_bytes,
            });
        }
        self.uses += 1;
        // No name has a U+0000 in it, so no program is taken for another.
        let key = if names.is_empty() {
            Cow::Borrowed(code)
        } else {
            Cow::Owned(format!("{}\0{code}", names.concat()))
        };
        if !self.programs.contains_key(&*key) {
            self.make_room();
            let program = compile(&self.prelude, code, names).map(Rc::new);
            self.programs
                .insert(key.as_ref().into(), Cached { program, used: 0 });
        }
        let cached = self
            .programs
            .get_mut(&*key)
            .expect("it is there because it was inserted above");
        cached.used = self.uses;
        Ok(cached.program.clone()?)
    }

    /// Runs a program on an input and converts its one value.
    pub(crate) fn run(&self, program: &Program, input: Val, want: Want) -> Result<Output, ExpressionError> {
        match (one(program, input, Vec::new())?, want) {
            (Some(value), want) => convert(&value, want, &self.limits),
            (None, Want::Text) => Ok(Output::Text(None)),
            (None, Want::Boolean | Want::Value) => Err(ExpressionError::NoOutput),
        }
    }

    /// Runs a program on an input, with values for its variables in the order of their names.
    pub(crate) fn run_with(
        program: &Program,
        input: Val,
        variables: Vec<Val>,
    ) -> Result<Val, ExpressionError> {
        one(program, input, variables)?.ok_or(ExpressionError::NoOutput)
    }

    /// Forgets the program that was not used for the longest time, when the cache is full.
    fn make_room(&mut self) {
        if self.programs.len() < PROGRAMS {
            return;
        }
        let oldest = self
            .programs
            .iter()
            .min_by_key(|(_, cached)| cached.used)
            .map(|(code, _)| code.clone());
        if let Some(oldest) = oldest {
            self.programs.remove(&oldest);
        }
    }
}

/// Runs a program; none is no value, and more than one an error.
fn one(program: &Program, input: Val, variables: Vec<Val>) -> Result<Option<Val>, ExpressionError> {
    let context = Ctx::<JustLut<Val>>::new(&program.lut, Vars::new(variables));
    let mut values = program
        .id
        .run((context, input))
        .map(|value| value.map_err(failure));
    let first = values.next().transpose()?;
    if first.is_some() && values.next().transpose()?.is_some() {
        return Err(ExpressionError::ManyOutputs);
    }
    Ok(first)
}

fn failure(exception: Exn<'_, Val>) -> ExpressionError {
    let message = match exception.get_err() {
        Ok(error) => describe(error),
        Err(_) => "it left a loop that it was not in".to_owned(),
    };
    ExpressionError::Failed { message }
}

/// Shows an error as jq does: a text raw, any other value as JSON.
fn describe(error: jaq_json::Error) -> String {
    let shown = show(&error, MESSAGE_BYTES);
    if !shown.starts_with('"') {
        return shown;
    }
    match error.into_val() {
        Val::TStr(text) => show(&jaq_json::bstr(&*text), MESSAGE_BYTES),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{NotJson, input};

    fn run(code: &str, json: &str, want: Want) -> Result<Output, ExpressionError> {
        let mut engine = Engine::new(Limits {
            output_bytes: 1_000,
            ..Limits::default()
        });
        let program = engine.program(code)?;
        engine.run(
            &program,
            input::parse(input::validate(json.as_bytes(), &engine.limits)?)?,
            want,
        )
    }

    fn value(code: &str, json: &str) -> Result<String, ExpressionError> {
        run(code, json, Want::Value).map(|output| match output {
            Output::Value(json) => String::from_utf8(json.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        })
    }

    fn kind<T>(result: Result<T, ExpressionError>) -> &'static str {
        result.map_or_else(|error| error.kind(), |_| "fine")
    }

    const PAYMENT: &str =
        r#"{"id": "p_1", "type": "payment.succeeded", "data": {"amount": 15000, "tags": ["a", "b"]}}"#;

    #[test]
    fn a_filter_yields_a_boolean_and_nothing_else() {
        assert_eq!(
            run(".data.amount > 100", PAYMENT, Want::Boolean),
            Ok(Output::Boolean(true))
        );
        assert_eq!(
            run(".data.tags | any(. == \"c\")", PAYMENT, Want::Boolean),
            Ok(Output::Boolean(false))
        );
        assert_eq!(
            run(".type", PAYMENT, Want::Boolean),
            Err(ExpressionError::NotBoolean {
                found: "\"payment.succeeded\"".to_owned()
            })
        );
        assert_eq!(
            kind(run(".data.tags[] == \"a\"", PAYMENT, Want::Boolean)),
            "many_outputs"
        );
        assert_eq!(kind(run("empty", PAYMENT, Want::Boolean)), "no_output");
        assert_eq!(kind(run(".data.tags.first", PAYMENT, Want::Boolean)), "failed");
    }

    #[test]
    fn a_transform_yields_one_compact_json_text() {
        assert_eq!(
            value("{id: .id, amount: (.data.amount / 100)}", PAYMENT).as_deref(),
            Ok(r#"{"id":"p_1","amount":150}"#)
        );
        assert_eq!(
            value(".", "[1.0, 1e400, \"\\u00e9\\n\"]").as_deref(),
            Ok("[1.0,1e400,\"é\\n\"]")
        );
        assert_eq!(value("007.5", "0").as_deref(), Ok("7.5"));
    }

    #[test]
    fn a_text_may_be_a_number_or_absent() {
        let text = |code, json| run(code, json, Want::Text);
        assert_eq!(
            text(".type", PAYMENT),
            Ok(Output::Text(Some("payment.succeeded".to_owned())))
        );
        assert_eq!(
            text(".data.amount", PAYMENT),
            Ok(Output::Text(Some("15000".to_owned())))
        );
        assert_eq!(
            text(".id", "{\"id\": 12345678901234567890123}"),
            Ok(Output::Text(Some("12345678901234567890123".to_owned())))
        );
        assert_eq!(text(".missing", PAYMENT), Ok(Output::Text(None)));
        assert_eq!(text("empty", PAYMENT), Ok(Output::Text(None)));
        assert_eq!(kind(text(".data", PAYMENT)), "not_text");
    }

    #[test]
    fn what_json_cannot_hold_is_an_error() {
        for (code, reason) in [
            ("0 / 0", NotJson::NonFinite),
            ("[1, {a: (1 / 0)}]", NotJson::NonFinite),
            ("1e400 + 1", NotJson::NonFinite),
            (
                "{(1 | tojson): 1} | with_entries(.key |= tonumber)",
                NotJson::NonStringKey,
            ),
            ("\"a\\u0000b\"", NotJson::NulText),
            ("{\"\\u0000\": 1}", NotJson::NulText),
            ("\"/w==\" | @base64d", NotJson::NotUtf8),
            ("\"a\" | tobytes", NotJson::Bytes),
            ("reduce range(129) as $i (0; [.])", NotJson::TooDeep),
        ] {
            assert_eq!(
                value(code, "null"),
                Err(ExpressionError::NotJson(reason)),
                "{code}"
            );
        }
        assert_eq!(kind(run("\"\\u0000\"", "null", Want::Text)), "not_json");
        assert_eq!(kind(run("0 / 0", "null", Want::Text)), "not_json");
        assert_eq!(kind(value("reduce range(128) as $i (0; [.])", "null")), "fine");
    }

    #[test]
    fn an_output_over_the_limit_is_cut_off_while_it_is_written() {
        assert_eq!(kind(value("\"x\" * 998", "null")), "fine");
        assert_eq!(kind(value("\"x\" * 999", "null")), "output_too_large");
        assert_eq!(kind(value("\"\\u0001\" * 200", "null")), "output_too_large");
        assert_eq!(kind(value("[range(100000)]", "null")), "output_too_large");
        assert_eq!(kind(run("\"x\" * 1001", "null", Want::Text)), "output_too_large");
    }

    #[test]
    fn errors_say_what_jq_says_and_no_more_than_a_line() {
        let message = |code: &str| run(code, PAYMENT, Want::Value).unwrap_err().to_string();
        assert_eq!(
            message("error(\"no amount\")"),
            "the expression failed: no amount"
        );
        assert_eq!(message("error({code: 7})"), "the expression failed: {\"code\":7}");
        assert!(message("error(\"é\" * 100000)").len() < 340);
        assert!(message("([range(10000)] | .a)").starts_with("the expression failed: cannot index [0,1,2"));
    }

    #[test]
    fn the_program_that_was_not_used_for_longest_is_forgotten() {
        let mut engine = Engine::new(Limits::default());
        for number in 0..PROGRAMS {
            engine.program(&number.to_string()).unwrap();
        }
        engine.program("0").unwrap();
        engine.program("1 + 1").unwrap();
        assert_eq!(engine.programs.len(), PROGRAMS);
        assert!(engine.programs.contains_key("0") && !engine.programs.contains_key("1"));
    }

    #[test]
    fn a_program_over_the_limit_is_not_compiled() {
        assert_eq!(kind(value(&"1+".repeat(10_000), "null")), "too_long");
    }

    /// Any JSON whose values survive a comparison by `serde_json`: no floats, which it may round.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[^\0]{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::btree_map("[^\0]{0,3}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn identity_keeps_any_json(json in json()) {
            let engine = Engine::new(Limits::default());
            let program = compile(&engine.prelude, ".", &[]).unwrap();
            let input = input::parse(&json.to_string()).unwrap();
            let Output::Value(output) = engine.run(&program, input, Want::Value).unwrap() else { panic!() };
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&output).unwrap(), json);
        }

        #[test]
        fn any_program_either_compiles_or_says_where_it_is_wrong(code in "[a-z.$|(){}\\[\\]\" ,:;0-9\n#@?/-]{0,40}") {
            if let Err(error) = compile(&Prelude::new(), &code, &[]) {
                let lines = u32::try_from(code.matches('\n').count()).unwrap() + 1;
                prop_assert!((1..=lines).contains(&error.line), "{error}");
            }
        }
    }
}
