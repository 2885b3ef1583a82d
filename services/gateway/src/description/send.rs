//! Door 3.

use super::refusals::{
    INGEST_TIMEOUT, INTERNAL_ERROR, INVALID_EVENT_TYPE, INVALID_KEY, NOT_FOUND, OF_BODIES, OF_KEYS,
    RATE_LIMITED, TOO_MANY_EVENT_TYPES,
};
use super::{key, post, with_limit, with_replay};
use openapi::{
    Answer, Api, Auth, Body, Family, Field, Operation, Refusal, Shape, anything, configured_id, either,
    field, integer, list, map, maybe, named, object, recorded_id, text, word,
};

pub(super) fn describe(api: &mut Api) {
    api.shape("Sent", object(sent()));
    api.shape("Triggered", object(triggered()));
    api.add(to_endpoints(one(
        "/api/ingest/{endpointId}",
        "send",
        "Door 3: send a payload to one endpoint",
        object(payload()),
        named("Sent"),
    )));
    let typed = one(
        "/api/ingest/event/{eventType}",
        "trigger",
        "Door 3: send a payload to everybody who is subscribed to an event type",
        object([payload(), metadata()].concat()),
        named("Triggered"),
    );
    api.add(
        typed
            .details("A type that nobody has registered is registered on its first use.")
            .path(
                "eventType",
                event_type(),
                "1 to 128 characters in segments between dots.",
            )
            .refuses(&[INVALID_EVENT_TYPE, TOO_MANY_EVENT_TYPES]),
    );
    let endpoint = field("endpointId", text().note("An endpoint's id."));
    api.add(to_endpoints(batch(
        "/api/ingest/batch",
        "sendBatch",
        "Door 3: send to up to 20 endpoints",
        [vec![endpoint], payload()].concat(),
        sent(),
        &OF_ITEMS,
    )));
    let named = field("eventType", event_type());
    api.add(batch(
        "/api/ingest/event/batch",
        "triggerBatch",
        "Door 3: send up to 20 payloads by event type",
        [vec![named], payload(), metadata()].concat(),
        triggered(),
        &[OF_ITEMS.as_slice(), &[INVALID_EVENT_TYPE, TOO_MANY_EVENT_TYPES]].concat(),
    ));
}

/// Where no type stands in the path or an item.
fn to_endpoints(operation: Operation) -> Operation {
    operation
        .header("X-Event-Type", "What the events are called.")
        .refuses(&[INVALID_EVENT_TYPE])
}

/// What can become of one item of a batch.
const OF_ITEMS: [Refusal; 7] = [
    super::refusals::INVALID_BODY,
    INVALID_KEY,
    NOT_FOUND,
    super::refusals::PAYLOAD_TOO_LARGE,
    RATE_LIMITED,
    INTERNAL_ERROR,
    INGEST_TIMEOUT,
];

fn one(path: &str, id: &'static str, summary: &'static str, body: Shape, answer: Shape) -> Operation {
    sends(path, id, summary)
        .takes(Body::json(body))
        .answers(with_replay(with_limit(Answer::json(
            202,
            "Recorded, or recorded before under this key.",
            answer,
        ))))
        .refuses(&[INVALID_KEY])
}

fn batch(
    path: &str,
    id: &'static str,
    summary: &'static str,
    item: Vec<Field>,
    done: Vec<Field>,
    refusals: &[Refusal],
) -> Operation {
    let index = || {
        field(
            "index",
            integer().note("The item's place in the request, from 0."),
        )
    };
    let codes: Vec<_> = refusals.iter().map(|refusal| refusal.code).collect();
    let issue = object([field("path", text()), field("message", text())]);
    let error = object([
        field("code", word(&codes)),
        field("message", text()),
        maybe("details", list(issue)),
    ]);
    let refused = object([index(), field("error", error)]);
    let done = object([vec![index()], done].concat());
    let some = object([field("items", list(either([done.clone(), refused])))]);
    let all = object([field("items", list(done))]);
    sends(path, id, summary)
        .takes(Body::json(object([field(
            "items",
            list(object(item)).from_to(1, 20),
        )])))
        .answers(with_replay(with_limit(Answer::json(
            202,
            "Every item was recorded, or recorded before under its key.",
            all,
        ))))
        .answers(with_limit(Answer::json(
            207,
            "Some items were not recorded; each of those has its error.",
            some,
        )))
}

fn sends(path: &str, id: &'static str, summary: &'static str) -> Operation {
    post(path, id, Family::Details, summary)
        .auth(Auth::ApiKey)
        .refuses(&OF_KEYS)
        .refuses(&OF_BODIES)
        .refuses(&[NOT_FOUND, RATE_LIMITED, INTERNAL_ERROR, INGEST_TIMEOUT])
}

fn payload() -> Vec<Field> {
    vec![
        field(
            "payload",
            map(anything()).note("Reaches the receiver byte for byte."),
        ),
        maybe(
            "idempotencyKey",
            key()
                .or_null()
                .note("Counts for 15 minutes; one is made where it is left out."),
        ),
    ]
}

fn metadata() -> Vec<Field> {
    vec![maybe(
        "metadata",
        map(text()).or_null().note("About the event, not of it."),
    )]
}

fn event_type() -> Shape {
    text()
        .like("^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$")
        .from_to(1, 128)
}

fn status() -> Field {
    field("status", word(&["accepted"]))
}

fn sent() -> Vec<Field> {
    vec![
        field("deliveryId", recorded_id("del_")),
        field("idempotencyKey", text()),
        status(),
    ]
}

fn triggered() -> Vec<Field> {
    vec![
        field("eventTypeId", configured_id("evt_")),
        field(
            "deliveryIds",
            list(recorded_id("del_")).note("Empty where nobody is subscribed."),
        ),
        status(),
    ]
}
