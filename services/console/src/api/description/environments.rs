//! Environments, and which event types their portals show.

use super::refusals::IN_USE;
use super::{Managed as _, created_at, manage, name, pinned_id, slug, updated_at};
use openapi::{Api, Method, boolean, configured_id, field, list, maybe, named, object, text};

const TAG: &str = "Environments";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "Named slices of a workspace. Exactly one is the default.");
    api.shape(
        "Environment",
        object([
            field("id", configured_id("env_")),
            field("name", text().note("The slug, unless it has another.")),
            field("slug", slug()),
            field("isDefault", boolean()),
            created_at(),
            updated_at(),
        ]),
    );
    let fields = || {
        vec![
            field("slug", slug()),
            maybe("name", name().or_null()),
            maybe("isDefault", boolean().note("Another one stops being it.")),
        ]
    };
    let one = || named("Environment");
    api.add(
        manage(
            Method::Get,
            "/environments",
            "listEnvironments",
            (TAG, "List environments"),
        )
        .gives("All of them.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/environments",
            "createEnvironment",
            (TAG, "Make an environment"),
        )
        .reads(object([vec![pinned_id("env_")], fields()].concat()))
        .edits()
        .makes("The environment.", one()),
    );
    let path = "/environments/{id}";
    api.add(
        manage(Method::Get, path, "getEnvironment", (TAG, "Show an environment"))
            .gives("The environment.", one()),
    );
    api.add(
        manage(
            Method::Patch,
            path,
            "updateEnvironment",
            (TAG, "Change an environment"),
        )
        .reads(object(fields()).partial())
        .edits()
        .gives("The environment.", one()),
    );
    api.add(
        manage(
            Method::Delete,
            path,
            "deleteEnvironment",
            (TAG, "Remove an environment"),
        )
        .removes()
        .refuses(&[IN_USE]),
    );
    describe_visibility(api);
}

fn describe_visibility(api: &mut Api) {
    api.shape(
        "Visibility",
        object([
            field("eventTypeId", configured_id("evt_")),
            field("eventTypeName", text()),
            field("published", boolean()),
        ]),
    );
    api.add(
        manage(
            Method::Get,
            "/environments/{id}/event-types",
            "listVisibility",
            (TAG, "List which event types its portal shows"),
        )
        .gives("Every event type of the workspace.", list(named("Visibility"))),
    );
    api.add(
        manage(
            Method::Put,
            "/environments/{id}/event-types/{type}/visibility",
            "setVisibility",
            (TAG, "Publish an event type in its portal, or hide it"),
        )
        .path("type", text(), "The event type's id or name.")
        .reads(object([field("published", boolean())]))
        .edits()
        .gives("What is so now.", named("Visibility")),
    );
}
