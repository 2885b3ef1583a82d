//! Door 5.

use super::refusals::{
    FORBIDDEN, INVALID_CHALLENGE, INVALID_EVENT_TYPE, INVALID_SIGNATURE, METHOD_NOT_ALLOWED, OF_ACCEPTING,
    OF_BODIES, UNKNOWN_SENDER,
};
use super::{DOORS, event_id, post, with_replay};
use openapi::{
    Answer, Api, Body, Family, Method, Operation, anything, either, field, list, object, text, word,
};

const PATH: &str = "/api/v1/webhooks/{appId}";

pub(super) fn describe(api: &mut Api) {
    let status = || field("status", word(&["accepted"]));
    let recorded = object([
        status(),
        field(
            "ids",
            list(event_id()).note("One for each message, in their order."),
        ),
    ]);
    let repeated = object([status(), field("note", word(&["duplicate"]))]);
    let posted = post(PATH, "ingestApp", Family::Plain, "Door 5: messages of a platform's users")
        .details(
            "The body is the platform's. Each message of a registered contact is an event. A platform's challenge is \
             answered: 200 with what it asks for.",
        )
        .header("X-Event-Type", "What the events are called.")
        .takes(Body::json(anything()).optional());
    let answered = Answer::json(
        200,
        "Recorded, or recorded before; or the answer to a challenge.",
        either([recorded, repeated, anything()]),
    );
    api.add(
        heard(posted)
            .answers(with_replay(answered.or("text/plain", text())))
            .refuses(&[INVALID_EVENT_TYPE, UNKNOWN_SENDER]),
    );
    for (method, id) in [
        (Method::Get, "challengeApp"),
        (Method::Head, "headApp"),
        (Method::Options, "optionsApp"),
    ] {
        let asked = Operation::new(method, PATH, id, Family::Plain).about(
            DOORS,
            "Door 5: a platform asks whether the address is its own to call",
        );
        let challenge = Answer::empty(200, "The challenge.");
        let challenge = if method == Method::Head {
            challenge
        } else {
            challenge
                .or("text/plain", text())
                .or("application/json", anything())
        };
        api.add(heard(asked).answers(challenge).refuses(&[METHOD_NOT_ALLOWED]));
    }
}

fn heard(operation: Operation) -> Operation {
    operation
        .path("appId", text(), "The app's id, `app_…`.")
        .refuses(&[INVALID_SIGNATURE, FORBIDDEN, INVALID_CHALLENGE])
        .refuses(&OF_BODIES)
        .refuses(&OF_ACCEPTING)
}
