//! What a step of the engine allocates, as a checked number.

use expression::{Evaluator, Limits};
use playbook::{Event, Operations, Reply, Start};
use serde_json::{Value, json};
use testkit::allocations::check;
use wire::Instant;

const AT: Instant = Instant::from_unix_micros(1_800_000_000_000_000);

const DOCUMENT: &str = "
document: {dsl: 1.0.3, namespace: test, name: test, version: 1.0.0}
do:
  - first: {call: http, with: {method: post, endpoint: 'http://localhost/', body: '${ {at: .at} }'}}
  - second: {call: http, with: {method: post, endpoint: 'http://localhost/', body: '${ {at: .at} }'}}
";

/// A call is answered, and the next is to be made.
#[test]
fn a_step_allocates_what_is_written_down() {
    let mut evaluator = Evaluator::new(Limits::default());
    let program = playbook::read(DOCUMENT, &Operations::default(), &mut evaluator).unwrap();
    let start = Event::Start(Start {
        run: "run_00000000000000000000000001".to_owned(),
        input: json!({"at": 7}),
        context: Value::Null,
        secrets: json!({}),
        nonce: "nonce".to_owned(),
        version: 1,
    });
    let (state, out) = playbook::step(&program, None, AT, start, &mut evaluator);
    let id = out.issued[0].id;
    let done = || {
        let reply = Reply {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: "e30=".to_owned(),
        };
        (
            state.clone(),
            Event::Done {
                id,
                result: Ok(reply),
            },
        )
    };
    check("playbook: a step", done, |(state, event)| {
        let (state, out) = playbook::step(&program, Some(state), AT, event, &mut evaluator);
        assert_eq!(out.issued.len(), 1);
        (state, out)
    });
}
