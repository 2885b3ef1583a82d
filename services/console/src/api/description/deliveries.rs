//! Deliveries, their attempts and their replays.

use super::events::decided;
use super::refusals::INVALID_STATE;
use super::{Managed as _, created_at, manage, page, page_of, updated_at};
use openapi::{
    Answer, Api, Field, Method, Operation, Shape, anything, boolean, configured_id, either, field, integer,
    list, maybe, named, object, recorded_id, text, time, word,
};

const TAG: &str = "Deliveries";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "Events on their way to endpoints, attempt by attempt.");
    api.shape("Delivery", object(delivery()));
    api.shape(
        "DeliveryDetail",
        object(
            [
                delivery(),
                vec![maybe("payload", payload().note("Only where it is asked for."))],
            ]
            .concat(),
        ),
    );
    api.shape("Attempt", attempt());
    let filters = [
        (
            "endpointId",
            text(),
            "Deliveries to this endpoint, by its id or slug.",
        ),
        ("eventId", recorded_id("msg_"), "Deliveries of this event."),
    ];
    api.add(
        manage(
            Method::Get,
            "/deliveries",
            "listDeliveries",
            (TAG, "List deliveries"),
        )
        .asks(&page())
        .asks(&of_status())
        .asks(&filters)
        .gives(
            "By their events, newest first.",
            page_of("deliveries", named("Delivery")),
        ),
    );
    api.add(
        manage(
            Method::Get,
            "/deliveries/{id}",
            "getDelivery",
            (TAG, "Show a delivery"),
        )
        .asks(&[("include", word(&["payload"]), "Also what is sent.")])
        .gives("The delivery.", named("DeliveryDetail")),
    );
    api.add(
        manage(
            Method::Get,
            "/deliveries/{id}/attempts",
            "listAttempts",
            (TAG, "List a delivery's attempts"),
        )
        .gives("Oldest first.", list(named("Attempt"))),
    );
    add_dead_letters(api);
    add_wishes(api);
}

fn add_dead_letters(api: &mut Api) {
    api.add(
        manage(
            Method::Get,
            "/deliveries/dead-letters",
            "countDeadLetters",
            (
                TAG,
                "Count dead letters by endpoint, kind of error and event type",
            ),
        )
        .asks(&[(
            "endpointId",
            text(),
            "Dead letters of this endpoint, by its id or slug.",
        )])
        .gives(
            "The largest groups first; without those that a recovery sent again.",
            dead_letters(),
        ),
    );
}

fn add_wishes(api: &mut Api) {
    for (path, id, summary) in [
        (
            "/deliveries/{id}/retry",
            "retryDelivery",
            "Make a delivery due at once",
        ),
        (
            "/deliveries/{id}/cancel",
            "cancelDelivery",
            "Give a delivery up before its next attempt",
        ),
    ] {
        api.add(
            manage(Method::Post, path, id, (TAG, summary))
                .refuses(&[INVALID_STATE])
                .gives("The delivery.", named("Delivery")),
        );
    }
    api.add(replay(manage(
        Method::Post,
        "/deliveries/{id}/replay",
        "replayDelivery",
        (TAG, "Deliver it again, as a new delivery"),
    )));
}

/// The filter that every list of deliveries has.
pub(super) fn of_status() -> [(&'static str, Shape, &'static str); 1] {
    [("status", status(), "Deliveries that are so far.")]
}

/// What replays of an event and of a delivery take and answer.
pub(super) fn replay(operation: Operation) -> Operation {
    let modes = word(&["as_delivered", "current", "diff"]).note(
        "`as_delivered`, unless it is said: the same bytes. `current`: what today's rules make of the event. `diff`: both, \
         side by side, and nothing is sent.",
    );
    let order = object([
        maybe("mode", modes),
        maybe(
            "endpoints",
            list(text()).note("Only to these, by their ids or slugs."),
        ),
    ]);
    let replayed = object([
        field("eventId", recorded_id("msg_")),
        field("mode", word(&["as_delivered", "current"])),
        field("deliveries", list(named("Delivery"))),
        field(
            "runs",
            list(recorded_id("run_"))
                .note("Started by today's rules, where the whole event is replayed by them."),
        ),
    ]);
    operation
        .may_read(order)
        .edits()
        .refuses(&[INVALID_STATE])
        .gives("What would be sent: of the mode `diff` alone.", difference())
        .answers(Answer::json(
            202,
            "The new deliveries, with the same `webhook-id`.",
            replayed,
        ))
}

/// What became of an event beside what would become of it.
fn difference() -> Shape {
    let change = || word(&["same", "changed", "added", "removed"]);
    let was = object([
        field("deliveryId", recorded_id("del_")),
        field("routeId", configured_id("(rt|sub)_").or_null()),
        field("status", status()),
        field("reason", text().or_null()),
        field("payload", payload().or_null()),
    ]);
    let delivery = object([
        field("endpointId", configured_id("ep_")),
        field("change", change()),
        field("was", was.or_null()),
        field("now", named("Making").or_null()),
    ]);
    let made = vec![
        maybe("deliveryId", recorded_id("del_")),
        maybe("runId", recorded_id("run_")),
    ];
    let route = object([
        field("routeId", configured_id("(rt|sub)_")),
        field("name", text()),
        field("change", change()),
        field("was", object([decided(), made].concat()).or_null()),
        field("now", object(decided()).or_null()),
    ]);
    object([
        field("eventId", recorded_id("msg_")),
        field("mode", word(&["diff"])),
        field("deliveries", list(delivery).note("By endpoint.")),
        field(
            "deliveriesOmitted",
            integer().note("How many more endpoints there are."),
        ),
        field("routes", list(route)),
    ])
}

fn dead_letters() -> Shape {
    let group = object([
        field("endpointId", configured_id("ep_")),
        field(
            "errorKind",
            text().or_null().note("What was wrong with the last attempts."),
        ),
        field("eventType", text().or_null()),
        field("count", integer()),
        field("oldest", time()),
        field("newest", time()),
    ]);
    object([
        field("groups", list(group)),
        field(
            "complete",
            boolean().note("Whether all were counted, up to 100,000, and all groups are shown, up to 200."),
        ),
    ])
}

fn status() -> Shape {
    word(&[
        "pending",
        "delivering",
        "scheduled_retry",
        "delivered",
        "dead_letter",
        "failed",
        "skipped",
    ])
}

fn delivery() -> Vec<Field> {
    vec![
        field("id", recorded_id("del_")),
        field(
            "idempotencyKey",
            text().note("Of its event; the event's id where it has none."),
        ),
        field("endpointId", configured_id("ep_")),
        field("status", status()),
        field("totalAttempts", integer()),
        field("firstAttemptAt", time().or_null()),
        field("deliveredAt", time().or_null()),
        field("nextRetryAt", time().or_null()),
        field("hasPayload", boolean()),
        created_at(),
        updated_at(),
        field("eventId", recorded_id("msg_")),
        field("eventType", text().or_null()),
        field("routeId", configured_id("(rt|sub)_").or_null()),
        field("reason", text().or_null()),
        field(
            "replayOf",
            recorded_id("del_")
                .or_null()
                .note("The delivery that this one replays."),
        ),
        field(
            "errorKind",
            text().or_null().note("What was wrong with its last attempt."),
        ),
        field(
            "recoveryId",
            recorded_id("rec_")
                .or_null()
                .note("The recovery that sent it again, as another delivery."),
        ),
        field(
            "orderKey",
            text()
                .or_null()
                .note("What it shares with those that go one after the other: `*`, `=` and the key, or `#` and the digest of a long one."),
        ),
    ]
}

pub(super) fn payload() -> Shape {
    let available = object([
        field("status", word(&["available"])),
        field(
            "data",
            anything().note("The JSON as it stands; else the text; else base64."),
        ),
        field("contentType", text()),
        maybe("encoding", word(&["base64"])),
    ]);
    either([available, object([field("status", word(&["not_found"]))])])
}

fn attempt() -> Shape {
    let headers = || list(list(text()).from_to(2, 2));
    object([
        field("id", recorded_id("att_")),
        field("attemptNumber", integer()),
        field("status", word(&["success", "failed"])),
        field("responseStatusCode", integer().or_null()),
        field("responseTimeMs", integer()),
        field("errorMessage", text().or_null()),
        created_at(),
        field("errorKind", text().or_null()),
        field("requestHeaders", headers()),
        field("responseHeaders", headers().or_null()),
        field("responseBody", text().or_null()),
        field("responseBodyEncoding", word(&["base64"]).or_null()),
    ])
}
