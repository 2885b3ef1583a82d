//! Routes.

use super::{Managed as _, created_at, duration, manage, name, pinned_id, updated_at};
use openapi::{
    Api, Method, Shape, boolean, configured_id, either, field, integer, list, maybe, named, object, text,
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
        field("to", to),
        created_at(),
        updated_at(),
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
        field("to", target(by_name(), by_name())),
    ])
}
