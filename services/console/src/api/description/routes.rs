//! Routes.

use super::deliveries::payload;
use super::events::decided;
use super::policy;
use super::{Managed as _, created_at, duration, manage, name, pinned_id, updated_at};
use openapi::{
    Api, Method, Shape, anything, boolean, configured_id, either, field, integer, list, maybe, named, object,
    recorded_id, text, time, word,
};

const TAG: &str = "Routes";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "From sources and event types to one endpoint or playbook.");
    api.shape("Route", route());
    let one = || named("Route");
    api.add(
        manage(Method::Get, "/routes", "listRoutes", (TAG, "List routes"))
            .gives("In the order in which they are tried.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/routes",
            "createRoute",
            (TAG, "Make a route, which is tried last"),
        )
        .reads(new_route())
        .edits()
        .makes("The route.", one()),
    );
    api.shape("Making", making());
    api.shape("Explanation", explanation());
    api.add(
        manage(
            Method::Post,
            "/routes/explain",
            "explainRoutes",
            (
                TAG,
                "Say what the routes would make of an event, and save nothing",
            ),
        )
        .reads(question())
        .gives(
            "What is decided at each route and why, and what it would make.",
            named("Explanation"),
        ),
    );
    let path = "/routes/{id}";
    api.add(
        manage(Method::Get, path, "getRoute", (TAG, "Show a route"))
            .path("id", text(), "Its id or name.")
            .gives("The route.", one()),
    );
    api.add(
        manage(Method::Patch, path, "updateRoute", (TAG, "Change a route"))
            .reads(new_route().partial())
            .edits()
            .gives("The route.", one()),
    );
    api.add(manage(Method::Delete, path, "deleteRoute", (TAG, "Remove a route")).removes());
}

fn target(endpoint: Shape, playbook: Shape) -> Shape {
    either([
        object([field("endpoint", endpoint)]).closed(),
        object([field("playbook", playbook)]).closed(),
    ])
}

fn route() -> Shape {
    let to = target(configured_id("ep_"), text().note("A playbook's slug."));
    object([
        field("id", configured_id("rt_")),
        field("name", text()),
        field("enabled", boolean()),
        field("position", integer()),
        field("from", list(text()).note("Sources by their slugs; empty: any.")),
        field(
            "eventTypes",
            list(text()).note("Patterns such as `payment.*`; empty: all."),
        ),
        field(
            "filter",
            text().or_null().note("A jq expression that yields a boolean."),
        ),
        field(
            "transform",
            text()
                .or_null()
                .note("A jq expression that yields what the target gets."),
        ),
        field("delay", duration()),
        field("delivery", object(policy::keys())),
        field("to", to),
        maybe(
            "effectivePolicy",
            policy::effective().note(
                "How its deliveries are made, and who says so. In answers to reads, if it leads to an endpoint.",
            ),
        ),
        created_at(),
        updated_at(),
    ])
}

/// What a question about routes has.
fn question() -> Shape {
    let event = object([
        maybe(
            "type",
            text()
                .or_null()
                .note("Else what the header `X-Event-Type` says; else none."),
        ),
        maybe("source", text().or_null().note("By its slug or id.")),
        maybe("headers", anything().note("Texts by their names.")),
        field(
            "body",
            anything().note("JSON; a text is taken as the bytes of a body."),
        ),
    ]);
    let route = new_route().partial().closed().or_null();
    object([
        maybe("event", event.closed()),
        maybe(
            "eventId",
            recorded_id("msg_").note("A recorded event instead of `event`."),
        ),
        maybe(
            "route",
            route.note(
                "A route that is not saved. With the id or name of a saved one it stands in its place.",
            ),
        ),
    ])
}

fn explanation() -> Shape {
    let route = object(
        [
            decided(),
            vec![
                field(
                    "unsaved",
                    boolean().note("Whether it is the route of the request."),
                ),
                field("makes", named("Making").or_null()),
            ],
        ]
        .concat(),
    );
    let doorkeeper = object([
        field("playbookId", configured_id("pb_")),
        field("reason", text().or_null()),
        field("makes", named("Making").or_null()),
    ]);
    object([
        field(
            "eventId",
            recorded_id("msg_")
                .or_null()
                .note("Null of an event that is not recorded."),
        ),
        field("type", text().or_null()),
        field("source", text().or_null()),
        field("routes", list(route)),
        field(
            "missesOmitted",
            integer().note("How many more routes did not match."),
        ),
        field(
            "doorkeeper",
            doorkeeper
                .or_null()
                .note("What the app's doorkeeper would do, where no route takes the event."),
        ),
    ])
}

/// What a route would make.
fn making() -> Shape {
    object([
        field("kind", word(&["delivery", "run"])),
        field("status", word(&["pending", "skipped"])),
        field("reason", text().or_null()),
        field("dueAt", time().or_null()),
        field("payload", payload().or_null().note("What would be sent.")),
    ])
}

fn new_route() -> Shape {
    let by_name = || text().note("By its slug or id.");
    object([
        pinned_id("rt_"),
        field("name", name()),
        maybe("enabled", boolean()),
        maybe("from", list(by_name()).from_to(0, 1_000)),
        maybe("eventTypes", list(text()).from_to(0, 1_000)),
        maybe("filter", text().or_null()),
        maybe("transform", text().or_null()),
        maybe("delay", duration()),
        maybe(
            "delivery",
            object(policy::new_keys())
                .closed()
                .or_null()
                .note("How its deliveries are made; what it leaves out is the endpoint's."),
        ),
        field("to", target(by_name(), by_name())),
    ])
}
