//! Event types.

use super::{Managed as _, created_at, manage, pinned_id, updated_at};
use openapi::{
    Api, Method, Shape, anything, configured_id, field, integer, list, maybe, named, object, text,
};

const TAG: &str = "Event types";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "Registered names of what happens.");
    api.shape(
        "EventType",
        object([
            field("id", configured_id("evt_")),
            field("name", type_name()),
            field("description", text().or_null()),
            field(
                "schema",
                anything().note("A JSON Schema of its payloads, or null."),
            ),
            field(
                "subscriberCount",
                integer().note("How many endpoints get its events by a subscription."),
            ),
            created_at(),
            updated_at(),
        ]),
    );
    let fields = || {
        object([
            pinned_id("evt_"),
            field("name", type_name().note("It never changes.")),
            maybe("description", text().from_to(0, 2_000).or_null()),
            maybe("schema", anything().note("A JSON Schema, or null.")),
        ])
    };
    let one = || named("EventType");
    api.add(
        manage(
            Method::Get,
            "/event-types",
            "listEventTypes",
            (TAG, "List event types"),
        )
        .gives("All of them.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/event-types",
            "createEventType",
            (TAG, "Register an event type"),
        )
        .reads(fields())
        .edits()
        .makes("The event type.", one()),
    );
    let path = "/event-types/{id}";
    api.add(
        manage(Method::Get, path, "getEventType", (TAG, "Show an event type"))
            .gives("The event type.", one()),
    );
    api.add(
        manage(
            Method::Patch,
            path,
            "updateEventType",
            (TAG, "Change an event type"),
        )
        .reads(fields().partial())
        .edits()
        .gives("The event type.", one()),
    );
    api.add(
        manage(
            Method::Delete,
            path,
            "deleteEventType",
            (TAG, "Remove an event type, and the subscriptions to it"),
        )
        .removes(),
    );
}

fn type_name() -> Shape {
    text()
        .like("^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$")
        .from_to(1, 128)
}
