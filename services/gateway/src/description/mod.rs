//! What the doors take and answer, for the document that programs read (`docs/openapi.json`).
//!
//! One file a door, or for doors that are alike. To add an address: mount it in [`doors::addresses`](crate::doors), add an
//! [`Operation`] with everything that it takes and can answer to the door's file, or a new file's `describe` to [`api`],
//! and run `cargo xtask openapi`. A new error code is a [`Problem`](crate::problem::Problem) and a row of [`refusals`]. The
//! tests below fail until every address is described and every problem is a row; the tests of the doors hold each answer
//! that they get against the description; `docs/errors.md` has a line for every code.

mod app;
mod channel;
mod playbook;
mod refusals;
mod send;
mod start;
mod token;

use openapi::{Answer, Api, Method, Operation, Shape, recorded_id, text};

/// The group of all doors.
const DOORS: &str = "Doors";

/// What every door answers.
pub fn api() -> Api {
    let mut api = Api::default();
    api.tag(
        DOORS,
        "Where webhooks come in: seven ingest contracts. A 2xx means recorded.",
    );
    channel::describe(&mut api);
    playbook::describe(&mut api);
    send::describe(&mut api);
    token::describe(&mut api);
    app::describe(&mut api);
    start::describe(&mut api);
    api
}

/// A door's operation that posts.
fn post(path: &str, id: &'static str, family: openapi::Family, summary: &'static str) -> Operation {
    Operation::new(Method::Post, path, id, family).about(DOORS, summary)
}

fn event_id() -> Shape {
    recorded_id("msg_")
}

fn run_id() -> Shape {
    recorded_id("run_")
}

/// A header or a field that names an idempotency key.
fn key() -> Shape {
    text().from_to(1, 255)
}

/// What a repeat's answer has.
fn with_replay(answer: Answer) -> Answer {
    answer.header(
        "Idempotent-Replayed",
        "`true` where this is the first answer again.",
    )
}

/// What the answers have to requests under an API key that has a limit.
fn with_limit(answer: Answer) -> Answer {
    answer
        .header("RateLimit-Policy", "The key's limit: `\"key\";q=400;w=2`.")
        .header("RateLimit", "What is left of it: `\"key\";r=12;t=0`.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Problem, SendProblem};
    use actix_web::ResponseError as _;
    use std::collections::BTreeSet;

    /// Addresses are the same whatever their parameters are called.
    fn anonymous(path: &str) -> String {
        let mut parts = path.split('{');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |path, part| {
            path + "{}" + part.split_once('}').map_or("", |(_, rest)| rest)
        })
    }

    #[test]
    fn every_address_is_described_and_every_description_has_an_address() {
        let mounted = crate::doors::addresses();
        let mounted: BTreeSet<_> = mounted
            .listed()
            .map(|(method, path)| (method, anonymous(path)))
            .collect();
        let api = api();
        let described: BTreeSet<_> = api
            .operations()
            .iter()
            .map(|operation| (operation.method().as_str(), anonymous(operation.address())))
            .collect();
        assert_eq!(described, mounted);
    }

    #[test]
    fn every_code_that_stands_in_the_code_is_a_problem_of_the_list() {
        let source = include_str!("../problem.rs");
        let codes = source
            .split("fn code(&self)")
            .nth(1)
            .and_then(|rest| rest.split("\n    }\n").next())
            .unwrap();
        let written: BTreeSet<&str> = codes.split('"').skip(1).step_by(2).collect();
        let listed: BTreeSet<&str> = Problem::one_of_each().iter().map(Problem::code).collect();
        assert_eq!(listed, written);
    }

    #[test]
    fn every_problem_is_a_documented_refusal_and_every_refusal_a_problem() {
        let plain = Problem::one_of_each()
            .into_iter()
            .map(|problem| (problem.status_code().as_u16(), problem.code()));
        let sent = Problem::one_of_each().into_iter().map(|problem| {
            let problem = SendProblem(problem);
            (problem.status_code().as_u16(), problem.error().code())
        });
        let possible: BTreeSet<_> = plain.chain(sent).collect();
        let api = api();
        let documented: BTreeSet<_> = api
            .operations()
            .iter()
            .flat_map(Operation::refusals)
            .map(|refusal| (refusal.status, refusal.code))
            .collect();
        assert_eq!(documented, possible);
    }
}
