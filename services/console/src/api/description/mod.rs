//! What the management API takes and answers, for the document that programs read (`docs/openapi.json`).
//!
//! One file a resource. To add an operation: mount it in [`api`](super), add it to its resource's file with everything
//! that it takes and can answer ([`manage`] and [`Managed`] have what is alike everywhere), or add a new file's `describe`
//! to [`api()`], and run `cargo xtask openapi`. A new error code is an [`Error`](crate::Error) and a row of [`refusals`].
//! The tests below fail until every address is described and every error is a row; the tests of the API hold each answer
//! that they get against the description; `docs/errors.md` has a line for every code.

mod applications;
mod audit;
mod auth;
mod claims;
mod configuration;
mod contacts;
mod deliveries;
mod endpoints;
mod environments;
mod event_types;
mod events;
mod keys;
mod playbooks;
mod policy;
mod projects;
mod recoveries;
mod refusals;
mod rejections;
mod routes;
mod runs;
mod sources;
mod workspace;

use openapi::{
    Answer, Api, Auth, Body, Family, Field, Method, Operation, Shape, configured_id, field, integer, list,
    maybe, number, object, text, time, word,
};
use refusals::{CONFLICT, INVALID_QUERY, OF_ALL, OF_DOCUMENTS};

/// Everything below a workspace.
pub fn api() -> Api {
    let mut api = Api::default();
    let resources = [
        workspace::describe,
        environments::describe,
        keys::describe,
        contacts::describe,
        event_types::describe,
        applications::describe,
        endpoints::describe,
        sources::describe,
        routes::describe,
        projects::describe,
        playbooks::describe,
        runs::describe,
        events::describe,
        deliveries::describe,
        recoveries::describe,
        rejections::describe,
        claims::describe,
        configuration::describe,
        audit::describe,
    ];
    for describe in resources {
        describe(&mut api);
    }
    api
}

/// An operation below a workspace.
fn manage(
    method: Method,
    path: &str,
    id: &'static str,
    (tag, summary): (&'static str, &'static str),
) -> Operation {
    Operation::new(
        method,
        format!("/management{}{path}", super::WORKSPACE),
        id,
        Family::Management,
    )
    .about(tag, summary)
    .auth(Auth::ManagementToken)
    .path(
        "workspace",
        text(),
        "The workspace's id or slug; `-` is the management token's own.",
    )
    .refuses(&OF_ALL)
}

/// What many operations do.
trait Managed: Sized {
    /// Reads a document.
    fn reads(self, shape: Shape) -> Self;
    /// The same, but it may be left out.
    fn may_read(self, shape: Shape) -> Self;
    /// Takes parameters of the query, each with its shape and what it says.
    fn asks(self, parameters: &[(&'static str, Shape, &'static str)]) -> Self;
    /// Changes what is configured: another change may be in its way.
    fn edits(self) -> Self;
    /// Answers 200.
    fn gives(self, about: &'static str, shape: Shape) -> Self;
    /// Answers 201.
    fn makes(self, about: &'static str, shape: Shape) -> Self;
    /// Answers 204.
    fn removes(self) -> Self;
}

impl Managed for Operation {
    fn reads(self, shape: Shape) -> Self {
        self.takes(Body::json(shape.closed())).refuses(&OF_DOCUMENTS)
    }

    fn may_read(self, shape: Shape) -> Self {
        self.takes(Body::json(shape.closed().or_null()).optional())
            .refuses(&OF_DOCUMENTS)
    }

    fn asks(self, parameters: &[(&'static str, Shape, &'static str)]) -> Self {
        parameters
            .iter()
            .fold(self, |operation, (name, shape, about)| {
                operation.query(name, shape.clone(), about)
            })
            .refuses(&[INVALID_QUERY])
    }

    fn edits(self) -> Self {
        self.refuses(&[CONFLICT])
    }

    fn gives(self, about: &'static str, shape: Shape) -> Self {
        self.answers(Answer::json(200, about, shape))
    }

    fn makes(self, about: &'static str, shape: Shape) -> Self {
        self.answers(Answer::json(201, about, shape))
    }

    fn removes(self) -> Self {
        self.edits().answers(Answer::empty(204, "Gone."))
    }
}

/// Parameters of a list that grows, besides its filters.
fn page() -> [(&'static str, Shape, &'static str); 2] {
    [
        (
            "limit",
            integer().from_to(1, 100),
            "How many at most; 50 unless it is said.",
        ),
        ("cursor", text(), "The `nextCursor` of the page before."),
    ]
}

/// One page of a list that grows, newest first.
fn page_of(name: &'static str, shape: Shape) -> Shape {
    let next = text().or_null().note("For the next page; null at the end.");
    object([field(name, list(shape)), field("nextCursor", next)])
}

/// The id of a new thing; of one that is there, it can only be repeated.
fn pinned_id(prefix: &str) -> Field {
    maybe(
        "id",
        configured_id(prefix).note("Made where it is left out; it never changes."),
    )
}

fn created_at() -> Field {
    field("createdAt", time())
}

fn updated_at() -> Field {
    field("updatedAt", time())
}

/// What a thing is called: one line.
fn name() -> Shape {
    text().from_to(1, 100)
}

/// A name that stands in URLs.
fn slug() -> Shape {
    text().like("^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
}

/// What becomes of runs while something is switched off.
fn ending(note: &'static str) -> Shape {
    word(&["drain", "cancel"]).note(note)
}

/// A span of time as people write it.
fn duration() -> Shape {
    text().note("A duration such as `500ms`, `15s`, `10m`, `1h` or `7d`.")
}

/// A token that begins so.
fn token(prefix: &str) -> Shape {
    text().like(format!("^{prefix}[A-Za-z0-9_-]{{1,200}}$"))
}

/// A secret that is sent in a header.
fn header_secret() -> Shape {
    text().like("^[!-~]{1,1024}$")
}

fn rate_limit() -> Shape {
    object([
        field("perSecond", number().note("The sustained rate.")),
        maybe(
            "burst",
            integer()
                .or_null()
                .note("How many may go at once after a pause; null: one second's worth."),
        ),
    ])
}

/// A rate limit as it is set.
fn new_rate_limit() -> Shape {
    let fields = [
        field("perSecond", number()),
        maybe(
            "burst",
            integer()
                .from_to(1, 1_000_000)
                .or_null()
                .note("Null, or left out: one second's worth."),
        ),
    ];
    object(fields).closed().or_null()
}

/// How long an old secret goes on counting.
fn overlap() -> Field {
    maybe(
        "overlap",
        text().note("How long the old one goes on counting: 0 to 7 days, `24h` unless it is said."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use actix_web::ResponseError as _;
    use std::collections::BTreeSet;

    #[test]
    fn every_address_is_described_and_every_description_has_an_address() {
        let mounted = super::super::addresses();
        let mounted: BTreeSet<_> = mounted
            .listed()
            // What can be got can be asked for its head: said once, for all.
            .filter(|(method, _)| *method != "HEAD")
            .map(|(method, path)| (method, format!("/management{}{path}", super::super::WORKSPACE)))
            .collect();
        let api = api();
        let described: BTreeSet<_> = api
            .operations()
            .iter()
            .map(|operation| (operation.method().as_str(), operation.address().to_owned()))
            .collect();
        assert_eq!(described, mounted);
    }

    #[test]
    fn every_code_that_stands_in_the_code_is_an_error_of_the_list() {
        let source = include_str!("../../error.rs");
        let codes = source
            .split("fn code(&self)")
            .nth(1)
            .and_then(|rest| rest.split("\n    }\n").next())
            .unwrap();
        let written: BTreeSet<&str> = codes.split('"').skip(1).step_by(2).collect();
        let listed = Error::one_of_each();
        let listed: BTreeSet<&str> = listed
            .iter()
            .filter(|error| !matches!(error, Error::StillRefused { .. }))
            .map(Error::code)
            .collect();
        assert_eq!(listed, written);
    }

    #[test]
    fn every_error_is_a_documented_refusal_and_every_refusal_an_error() {
        let possible: BTreeSet<_> = Error::one_of_each()
            .iter()
            .map(|error| (error.status_code().as_u16(), error.code()))
            // Only methods that are not described are refused so.
            .filter(|(status, _)| *status != 405)
            .collect();
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
