//! Events.

use super::deliveries::{of_status, replay};
use super::{Managed as _, manage, page, page_of};
use openapi::{
    Api, Field, Method, Shape, anything, boolean, configured_id, either, field, integer, list, maybe, named,
    object, recorded_id, text, time, word,
};

const TAG: &str = "Events";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "What came in, and what became of it.");
    api.shape("Event", object(event()));
    api.shape("EventDetail", object([event(), details()].concat()));
    api.shape("Trace", trace());
    let filters = [
        ("type", text(), "Events of this type."),
        ("source", text(), "Events of this source, by its slug or id."),
        ("sourceId", text(), "The same."),
        ("status", status(), "Events that are so far."),
    ];
    api.add(
        manage(Method::Get, "/events", "listEvents", (TAG, "List events"))
            .asks(&page())
            .asks(&filters)
            .gives("Newest first.", page_of("events", named("Event"))),
    );
    api.add(
        manage(
            Method::Get,
            "/events/{id}",
            "getEvent",
            (TAG, "Show an event, with its body"),
        )
        .gives("The event.", named("EventDetail")),
    );
    api.add(
        manage(
            Method::Get,
            "/events/{id}/deliveries",
            "listEventDeliveries",
            (TAG, "List an event's deliveries"),
        )
        .asks(&page())
        .asks(&of_status())
        .gives(
            "By their events, newest first.",
            page_of("deliveries", named("Delivery")),
        ),
    );
    api.add(
        manage(
            Method::Get,
            "/events/{id}/trace",
            "getEventTrace",
            (TAG, "Show what was decided at each route"),
        )
        .gives("The decision trace.", named("Trace")),
    );
    api.add(replay(manage(
        Method::Post,
        "/events/{id}/replay",
        "replayEvent",
        (TAG, "Deliver an event again"),
    )));
}

fn status() -> Shape {
    word(&["accepted", "routed", "quarantined"])
}

fn event() -> Vec<Field> {
    vec![
        field("id", recorded_id("msg_")),
        field("sourceId", configured_id("so_").or_null()),
        field("source", text().or_null().note("The source's slug.")),
        field("type", text().or_null()),
        field("status", status()),
        field(
            "verified",
            boolean().or_null().note("Null where nothing was checked."),
        ),
        field("verification", verification()),
        field("receivedAt", time()),
        field("contentType", text().or_null()),
        field("size", integer().note("Bytes of the body.")),
        field("idempotencyKey", text().or_null()),
        field("deliveries", integer().note("How many.")),
        field("runs", integer().note("How many.")),
    ]
}

fn verification() -> Shape {
    let reason = "What was wrong with the signature, such as `signature_mismatch`; null where it is valid.";
    let secret = "Which of the source's secrets it was made with; null where none of them decided.";
    object([
        field("reason", text().or_null().note(reason)),
        field("secretId", text().or_null().note(secret)),
    ])
    .or_null()
    .note("Why `verified` is what it is; null where nothing was checked.")
}

fn details() -> Vec<Field> {
    vec![
        field("method", text()),
        field("query", text().or_null()),
        field("remoteAddress", text().or_null()),
        field(
            "headers",
            list(list(text()).from_to(2, 2)).note("Pairs of a name and a value."),
        ),
        field("body", text()),
        field(
            "bodyEncoding",
            word(&["base64"]).or_null().note("Where the body is no text."),
        ),
    ]
}

/// What was decided at a route, and why.
pub(super) fn decided() -> Vec<Field> {
    vec![
        field("routeId", configured_id("(rt|sub)_")),
        field("name", text()),
        field("matched", boolean()),
        field("reason", text()),
        field(
            "clause",
            word(&[
                "enabled",
                "from",
                "event_types",
                "filter",
                "transform",
                "target",
                "all",
            ]),
        ),
        field("value", anything().note("The value that decided.")),
        field(
            "target",
            either([
                object([field("endpoint", configured_id("ep_"))]).closed(),
                object([field("playbook", configured_id("pb_"))]).closed(),
            ]),
        ),
    ]
}

fn trace() -> Shape {
    let delivery = || recorded_id("del_");
    let run = || recorded_id("run_");
    let made = [maybe("deliveryId", delivery()), maybe("runId", run())];
    let route = object([decided(), made.into()].concat());
    let direct = either([
        object([
            field("endpointId", configured_id("ep_")),
            field("deliveryId", delivery()),
        ])
        .closed(),
        object([field("playbookId", configured_id("pb_")), field("runId", run())]).closed(),
    ]);
    let doorkeeper = object([
        field("playbookId", configured_id("pb_")),
        maybe("runId", run()),
        maybe("reason", text()),
    ]);
    let wait = object([
        field("runId", run()),
        field("matched", boolean()),
        field(
            "exclusive",
            boolean().note("Whether the event is the run's alone: then no route sees it."),
        ),
        field("reason", text()),
    ]);
    object([
        field("eventId", recorded_id("msg_")),
        field("routes", list(route)),
        maybe(
            "missesOmitted",
            integer().note("How many more routes did not match."),
        ),
        maybe("quarantined", text().note("Why no route was tried.")),
        maybe(
            "direct",
            direct.note("What the sender named itself, so that no route was tried."),
        ),
        maybe(
            "doorkeeper",
            doorkeeper.note("What the app's doorkeeper did, where no route took the event."),
        ),
        maybe(
            "waits",
            list(wait).note("The runs that waited for it, and those whose expressions failed."),
        ),
        maybe(
            "waitsOmitted",
            integer().note("How many more of those there were."),
        ),
    ])
}
