//! Door 4.

use super::refusals::{
    FORBIDDEN, INVALID_CHALLENGE, INVALID_EVENT_TYPE, INVALID_KEY, INVALID_SIGNATURE, METHOD_NOT_ALLOWED,
    OF_ACCEPTING, OF_BODIES,
};
use super::{DOORS, event_id, post, with_replay};
use openapi::{
    Answer, Api, Body, Family, Method, Operation, anything, bytes, either, field, object, text, word,
};

const PATH: &str = "/ingest/{token}";

/// The headers that name a key, in the order in which they count.
const KEYS: [(&str, &str); 4] = [
    ("X-Webhook-Id", "An idempotency key."),
    ("X-Event-Id", "An idempotency key."),
    ("Idempotency-Key", "An idempotency key."),
    (
        "X-Request-Id",
        "An idempotency key, unless the source says that it is none.",
    ),
];

pub(super) fn describe(api: &mut Api) {
    let data = either([
        object([field("id", event_id()), field("status", word(&["queued"]))]),
        object([
            field("id", event_id()),
            field("status", word(&["accepted"])),
            field("note", word(&["duplicate"])),
        ]),
    ]);
    let recorded = Answer::json(
        202,
        "Recorded, or recorded before.",
        object([field("data", data)]),
    )
    // What the provider insists on.
    .or("text/plain", text())
    .header(
        "Idempotency-Mismatch",
        "`true` where the first request with this key had another body.",
    );
    let posted = post(
        PATH,
        "ingestToken",
        Family::Plain,
        "Door 4: send a webhook as its provider signs it",
    )
    .details(
        "Any body, up to 5 MiB, kept as it is. `Content-Encoding: gzip` is taken where the source says so. A \
             handshake of the source's provider is answered and is no event.",
    )
    .header("X-Event-Type", "What the event is called.");
    let posted = KEYS
        .into_iter()
        .fold(posted, |posted, (name, about)| posted.header(name, about));
    api.add(
        shaken(posted, true)
            .takes(
                Body::of([
                    ("application/json", anything()),
                    ("text/plain", text()),
                    ("application/octet-stream", bytes()),
                ])
                .optional(),
            )
            .answers(with_replay(recorded))
            .refuses(&[INVALID_SIGNATURE, INVALID_EVENT_TYPE, INVALID_KEY]),
    );
    for (method, id) in [
        (Method::Get, "getToken"),
        (Method::Head, "headToken"),
        (Method::Options, "optionsToken"),
    ] {
        let asked = Operation::new(method, PATH, id, Family::Plain)
            .about(DOORS, "Door 4: a handshake of the source's provider");
        api.add(shaken(asked, method != Method::Head).refuses(&[METHOD_NOT_ALLOWED]));
    }
}

fn shaken(operation: Operation, has_body: bool) -> Operation {
    let answered = Answer::empty(200, "A handshake's answer, as the provider wants it.");
    let answered = if has_body {
        answered
            .or("application/json", anything())
            .or("text/plain", text())
    } else {
        answered
    };
    operation
        .path("token", text(), "The source's token, `src_…`.")
        .answers(answered)
        .answers(Answer::empty(204, "A handshake's answer without a body."))
        .refuses(&[INVALID_CHALLENGE, FORBIDDEN])
        .refuses(&OF_BODIES)
        .refuses(&OF_ACCEPTING)
}
