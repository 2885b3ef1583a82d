//! The jail as its callers know it: answers in order, many callers, bounds, and clear errors.

use std::sync::LazyLock;

use hookyard_expression::{CompileError, JailError, Limits};
use proptest::{prelude::*, sample::select};

use super::*;

#[test]
fn a_batch_of_events_and_routes_is_answered_in_order() {
    let jail = jail();
    let events = [
        r#"{"id": 1, "amount": 50}"#,
        r#"{"id": 2, "amount": 150}"#,
        r#"{"id": 3}"#,
    ]
    .map(Bytes::from);
    let jobs = events
        .iter()
        .flat_map(|event| {
            let job = |program: &str, want| Job {
                program: Arc::from(program),
                input: event.clone(),
                want,
            };
            [
                job(".amount > 100", Want::Boolean),
                job("{n: .id}", Want::Value),
                job(".id", Want::Text),
            ]
        })
        .collect();
    let value = |json: &'static str| Ok(Output::Value(Bytes::from(json)));
    let text = |text: &str| Ok(Output::Text(Some(text.to_owned())));
    assert_eq!(
        evaluate(&jail, jobs),
        [
            Ok(Output::Boolean(false)),
            value("{\"n\":1}"),
            text("1"),
            Ok(Output::Boolean(true)),
            value("{\"n\":2}"),
            text("2"),
            Ok(Output::Boolean(false)),
            value("{\"n\":3}"),
            text("3"),
        ]
    );
    assert_eq!(jail.status().started, 1);
}

#[test]
fn a_plain_path_is_looked_up_without_a_worker() {
    let jail = jail();
    let answer = evaluate_one(&jail, job(".data.id", r#"{"data": {"id": "evt_1"}}"#, Want::Text));
    assert_eq!(answer, Ok(Output::Text(Some("evt_1".to_owned()))));
    let answer = evaluate_one(&jail, job(".data.id", "no json", Want::Text));
    assert_eq!(answer.map_err(|error| error.kind()), Err("input_not_json"));
    assert_eq!(jail.status().started, 0);

    let answer = evaluate_one(
        &jail,
        job(
            ".data.id | ascii_upcase",
            r#"{"data": {"id": "evt_1"}}"#,
            Want::Text,
        ),
    );
    assert_eq!(answer, Ok(Output::Text(Some("EVT_1".to_owned()))));
    assert_eq!(jail.status().started, 1);
}

#[test]
fn programs_are_checked_when_they_are_saved() {
    let checked =
        block_on(jail().check(vec![".data.amount > 100".into(), "{id: .id,\n amount: }".into()])).unwrap();
    assert_eq!(checked[0], Ok(()));
    let error = checked[1].clone().unwrap_err();
    assert!(
        matches!(error, ExpressionError::Compile(CompileError { line: 2, .. })),
        "{error}"
    );
    assert_eq!(error.to_string(), "line 2, column 10: expected term, found `}`");
}

#[test]
fn nothing_asked_is_answered_at_once() {
    let jail = jail();
    assert_eq!(evaluate(&jail, Vec::new()), []);
    assert_eq!(jail.status().started, 0);
}

#[test]
fn many_callers_at_once_get_each_their_own_answer() {
    let jail = Jail::new(Options {
        workers: NonZero::new(2).unwrap(),
        ..options()
    });
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let jail = jail.clone();
            thread::spawn(move || {
                for round in 0..50 {
                    let number = caller * 1000 + round;
                    let answer = evaluate_one(&jail, job("{n: (. + 1)}", &number.to_string(), Want::Value));
                    assert_eq!(
                        answer,
                        Ok(Output::Value(format!("{{\"n\":{}}}", number + 1).into()))
                    );
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert!((1..=2).contains(&jail.status().started));
}

#[test]
fn a_full_queue_is_an_error_at_once() {
    let limits = Limits {
        time: Duration::from_millis(300),
        ..Limits::default()
    };
    let jail = Jail::new(Options {
        workers: NonZero::<usize>::MIN,
        queue: 1,
        limits,
        ..options()
    });
    let ask = |program: &'static str| {
        let jail = jail.clone();
        thread::spawn(move || evaluate_one(&jail, filter(program)))
    };
    let busy = ask("def f: f; f");
    wait_until("the worker is busy", || {
        jail.status().started == 1 && jail.status().waiting == 0
    });
    let waiting = ask("true");
    wait_until("one waits", || jail.status().waiting == 1);
    let refused = block_on(jail.evaluate_one(filter("true")));
    assert!(
        matches!(refused, Err(JailError::Busy { waiting: 1 })),
        "{refused:?}"
    );

    assert_eq!(busy.join().unwrap().map_err(|error| error.kind()), Err("stopped"));
    assert_eq!(waiting.join().unwrap(), Ok(Output::Boolean(true)));
}

#[test]
fn a_request_that_was_given_up_is_not_evaluated() {
    let jail = single();
    let slow = filter("[range(300000)] | length > 0");
    let first = thread::spawn({
        let jail = jail.clone();
        move || evaluate_one(&jail, slow)
    });
    wait_until("the worker is busy", || {
        jail.status().started == 1 && jail.status().waiting == 0
    });
    let mut given_up = Box::pin(jail.evaluate_one(filter("def f: f; f")));
    block_on(async { assert!(futures_poll_once(given_up.as_mut()).await) });
    drop(given_up);

    assert_eq!(evaluate_one(&jail, filter("true")), Ok(Output::Boolean(true)));
    assert_eq!(first.join().unwrap(), Ok(Output::Boolean(true)));
    assert_eq!(jail.status().stopped, 0);
}

/// Polls once and says whether the future still waits.
async fn futures_poll_once(mut future: std::pin::Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[test]
fn a_worker_that_was_killed_while_idle_is_replaced_unnoticed() {
    let jail = single();
    assert_eq!(evaluate_one(&jail, filter("true")), Ok(Output::Boolean(true)));
    let worker = i32::try_from(jail.status().workers[0]).unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(worker),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    // Its state is "zombie" as soon as its first thread is gone; only with the last one it can be waited for.
    wait_until("it is dead", || {
        use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let found = waitid(Id::Pid(nix::unistd::Pid::from_raw(worker)), flags).unwrap();
        matches!(found, WaitStatus::Signaled(..))
    });
    assert_eq!(evaluate_one(&jail, filter("true")), Ok(Output::Boolean(true)));
    assert_eq!((jail.status().started, jail.status().stopped), (2, 0));
}

#[test]
fn a_worker_that_grew_is_replaced_and_an_idle_one_is_let_go() {
    let jail = Jail::new(Options {
        workers: NonZero::<usize>::MIN,
        idle: Duration::from_millis(200),
        // A busy machine takes its time for so much memory.
        limits: Limits {
            time: Duration::from_secs(30),
            ..Limits::default()
        },
        ..options()
    });
    assert_eq!(
        evaluate_one(&jail, filter("(\"x\" * 200000000) != \"\"")),
        Ok(Output::Boolean(true))
    );
    assert_eq!(evaluate_one(&jail, filter("true")), Ok(Output::Boolean(true)));
    assert_eq!((jail.status().started, jail.status().stopped), (2, 0));
    wait_until("nobody is kept", || jail.status().workers.is_empty());
    assert_eq!(evaluate_one(&jail, filter("true")), Ok(Output::Boolean(true)));
}

#[test]
fn a_program_that_is_no_worker_is_named_with_the_way_out() {
    for program in ["/bin/true", "/bin/cat", "/nowhere/at/all"] {
        let jail = Jail::new(Options {
            launch: Launch::Program(program.into()),
            ..Options::default()
        });
        let error = block_on(jail.evaluate_one(filter("true"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("an expression worker cannot be started from {program}")
        );
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            cause.contains("run_if_requested") || program.starts_with("/nowhere"),
            "{cause}"
        );
    }
}

fn any_job() -> impl Strategy<Value = Job> {
    let programs = [
        "type",
        ".a",
        ".a > 1",
        "{b: .a}",
        ".[]",
        "empty",
        "error",
        "1 / 0",
        ".a |",
        "[.. | numbers] | add",
    ];
    let inputs = [
        r#"{"a": 1}"#,
        r#"{"a": "x"}"#,
        "[1, [2]]",
        "null",
        "1.50",
        "{",
        "\"\\u0000\"",
    ];
    let wants = [Want::Boolean, Want::Value, Want::Text];
    (
        select(programs.to_vec()),
        select(inputs.to_vec()),
        select(wants.to_vec()),
    )
        .prop_map(|(program, input, want)| job(program, input, want))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_batch_gives_what_its_jobs_give_alone(jobs in proptest::collection::vec(any_job(), 0..12)) {
        static JAIL: LazyLock<Jail> = LazyLock::new(jail);
        let alone: Vec<_> = jobs.iter().map(|job| evaluate_one(&JAIL, job.clone())).collect();
        prop_assert_eq!(evaluate(&JAIL, jobs), alone);
    }
}
