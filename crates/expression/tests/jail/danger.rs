//! Programs and inputs that mean harm, each as a stranger would send it.

use hookyard_expression::{Jail, Limits, StopCause};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::*;

/// Keeps the tests short: each program here takes three times as long as it may.
fn hasty() -> Jail {
    hasty_with(Limits::default())
}

fn hasty_with(limits: Limits) -> Jail {
    Jail::new(Options {
        limits: Limits {
            time: Duration::from_millis(300),
            ..limits
        },
        ..options()
    })
}

/// Says how a program was stopped, if it was.
fn stop(jail: &Jail, program: &str) -> Option<StopCause> {
    match evaluate_one(jail, filter(program)) {
        Err(ExpressionError::Stopped(cause)) => Some(cause),
        _ => None,
    }
}

/// After all of it, the jail works as before.
fn assert_unharmed(jail: &Jail) {
    assert_eq!(evaluate_one(jail, filter(". == null")), Ok(Output::Boolean(true)));
}

#[test]
fn a_program_without_end_is_stopped_and_tried_twice_more() {
    let jail = hasty();
    for program in [
        "def f: f; f",
        "last(repeat(1))",
        "until(false; .)",
        "reduce range(1; infinite) as $i (0; $i)",
    ] {
        assert!(
            matches!(stop(&jail, program), Some(StopCause::Time { .. })),
            "{program}"
        );
    }
    assert_eq!(jail.status().stopped, 4 * 3);
    assert_unharmed(&jail);
}

#[test]
fn a_program_that_eats_memory_is_stopped() {
    let jail = jail();
    assert!(matches!(
        stop(&jail, "(\"x\" * 1000000000) == \"\""),
        Some(StopCause::Collapse { .. })
    ));
    // On a slow machine the time is up before the memory is.
    assert!(stop(&jail, "[range(1e9)] == []").is_some());
    assert!(stop(&jail, "reduce range(1e9) as $i (\"x\"; . + .) == \"\"").is_some());
    assert_unharmed(&jail);
}

#[test]
fn recursion_without_bottom_is_stopped() {
    let jail = jail();
    for program in [
        "def f: 1 + f; f",
        "def f: [f]; f",
        "def f(g): f(g | g); f(.)",
        "[recurse([.])] | length > 0",
    ] {
        assert!(stop(&jail, program).is_some());
    }
    assert_unharmed(&jail);
}

#[test]
fn a_value_too_deep_to_drop_or_write_is_stopped_or_refused() {
    let jail = jail();
    let answer = evaluate_one(
        &jail,
        job("reduce range(1000000) as $i (null; [.])", "null", Want::Value),
    );
    assert!(
        matches!(
            answer.as_ref().map_err(ExpressionError::kind),
            Err("not_json" | "stopped")
        ),
        "{answer:?}"
    );
    assert_unharmed(&jail);
}

#[test]
fn twenty_thousand_parentheses_do_not_reach_the_parser() {
    let jail = jail();
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("{a:", "}"),
        ("if . then ", " end"),
    ] {
        assert_eq!(check(&jail, &nested(20_000, open, close)), "too_long");
    }
    assert_eq!(jail.status().started, 0);
}

#[test]
fn half_a_million_parentheses_are_stopped_in_the_parser_where_they_may_be_as_long() {
    let jail = hasty_with(Limits {
        program_bytes: 4 << 20,
        ..Limits::default()
    });
    for (open, close) in [("(", ")"), ("[", "]"), ("{a:", "}")] {
        assert_eq!(check(&jail, &nested(500_000, open, close)), "stopped");
    }
    assert_unharmed(&jail);
}

fn nested(levels: usize, open: &str, close: &str) -> String {
    open.repeat(levels) + "." + &close.repeat(levels)
}

fn check(jail: &Jail, program: &str) -> &'static str {
    let checked = block_on(jail.check(vec![Arc::from(program)])).expect("the jail is open and has workers");
    checked
        .into_iter()
        .map(|result| result.map_or_else(|error| error.kind(), |()| "fine"))
        .next()
        .unwrap_or("nothing")
}

#[test]
fn what_reaches_outside_does_not_compile_and_ends_nothing() {
    let jail = single();
    for program in [
        "halt",
        "halt_error",
        "env",
        "$ENV",
        "now",
        "input",
        "[inputs]",
        "debug",
        "stderr",
        "input_line_number",
    ] {
        let answer = evaluate_one(&jail, filter(program));
        assert_eq!(answer.map_err(|error| error.kind()), Err("compile"), "{program}");
    }
    assert_eq!((jail.status().started, jail.status().stopped), (1, 0));
}

#[test]
fn output_without_measure_is_refused_while_it_is_made() {
    let jail = jail();
    for program in ["\"x\" * 2000000", "[range(1000000)]"] {
        let answer = evaluate_one(&jail, job(program, "null", Want::Value));
        assert_eq!(
            answer.map_err(|error| error.kind()),
            Err("output_too_large"),
            "{program}"
        );
    }
    assert_eq!(
        evaluate_one(&jail, job("repeat(1)", "null", Want::Value)),
        Err(ExpressionError::ManyOutputs)
    );
    assert_eq!(jail.status().stopped, 0);
}

#[test]
fn numbers_that_are_none_are_refused() {
    for program in ["nan", "infinite", "-infinite", "[1 / 0]", "1e999 * 1"] {
        let answer = evaluate_one(&jail(), job(program, "null", Want::Value));
        assert_eq!(answer.map_err(|error| error.kind()), Err("not_json"), "{program}");
    }
}

#[test]
fn inputs_that_are_deep_long_or_no_json_are_refused_for_their_row_alone() {
    let jail = jail();
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let inputs = [
        "null",
        &deep,
        "null",
        &"9".repeat(1_000_000),
        "{\"a\": 1,}",
        "not json",
        "",
        "null",
    ];
    let jobs = inputs
        .map(|input| job(". == null", input, Want::Boolean))
        .to_vec();
    let kinds: Vec<_> = evaluate(&jail, jobs)
        .into_iter()
        .map(|answer| answer.map_or_else(|error| error.kind(), |_| "fine"))
        .collect();
    assert_eq!(
        kinds,
        [
            "fine",
            "input_too_deep",
            "fine",
            "input_number_too_long",
            "input_not_json",
            "input_not_json",
            "input_not_json",
            "fine"
        ]
    );
    assert_eq!((jail.status().started, jail.status().stopped), (1, 0));
}

#[test]
fn the_neighbours_of_a_hostile_program_get_their_answers() {
    let jail = hasty();
    let hostile = ["def f: f; f", "(\"x\" * 1000000000) == \"\"", "def f: 1 + f; f"];
    let jobs: Vec<_> = (0..300)
        .map(|number| match number % 100 {
            50 => job(hostile[number / 100], "7", Want::Boolean),
            _ => job(&format!(". == {number}"), &number.to_string(), Want::Boolean),
        })
        .collect();
    for (number, answer) in evaluate(&jail, jobs).into_iter().enumerate() {
        if number % 100 == 50 {
            assert!(
                matches!(answer, Err(ExpressionError::Stopped(_))),
                "{number}: {answer:?}"
            );
        } else {
            assert_eq!(answer, Ok(Output::Boolean(true)), "{number}");
        }
    }
}

#[test]
fn a_worker_killed_in_the_middle_of_a_batch_costs_no_row() {
    let jail = jail();
    let jobs: Vec<_> = (0..200)
        .map(|number| {
            job(
                &format!("([range(20000)] | length) + . == {}", 20_000 + number),
                &number.to_string(),
                Want::Boolean,
            )
        })
        .collect();
    let request = thread::spawn({
        let jail = jail.clone();
        move || evaluate(&jail, jobs)
    });
    // As often as one row is tried again: all kills may hit the same.
    for killed in 1..=2 {
        wait_until("a worker is at work", || {
            !jail.status().workers.is_empty() || request.is_finished()
        });
        let Some(worker) = jail.status().workers.first().copied() else {
            break;
        };
        kill(Pid::from_raw(i32::try_from(worker).unwrap()), Signal::SIGKILL).unwrap();
        wait_until("it is missed", || {
            jail.status().stopped == killed || request.is_finished()
        });
    }
    let answers = request.join().unwrap();
    assert_eq!(answers, vec![Ok(Output::Boolean(true)); 200]);
    assert!(
        jail.status().stopped > 0,
        "the batch ended before a worker was killed"
    );
}

#[test]
fn a_program_that_is_stopped_again_and_again_is_suspended_and_others_are_not() {
    let jail = hasty();
    let endless = || filter("def f: f; f");
    let answers = evaluate(
        &jail,
        (0..50).map(|_| endless()).chain([filter(". == null")]).collect(),
    );
    let kinds: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.map_or_else(|error| error.kind(), |_| "fine"))
        .collect();
    assert_eq!(kinds[..3], ["stopped"; 3]);
    assert_eq!(kinds[3..50], ["suspended"; 47]);
    assert_eq!(kinds[50], "fine");
    assert_eq!(
        evaluate_one(&jail, endless()).map_err(|error| error.kind()),
        Err("suspended")
    );
}
