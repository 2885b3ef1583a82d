//! Applications, their endpoints, and the way into their portal.

use super::endpoints::new_endpoint;
use super::refusals::APPLICATION_FULL;
use super::{Managed as _, created_at, manage, name, pinned_id, updated_at};
use openapi::{
    Api, Method, Shape, boolean, configured_id, field, integer, list, map, maybe, named, object, text, time,
    word,
};

const TAG: &str = "Applications";

pub(super) fn describe(api: &mut Api) {
    api.tag(
        TAG,
        "A workspace's customers, who own endpoints and may open the portal.",
    );
    api.shape("Application", application());
    let one = || named("Application");
    let bounds = [
        (
            "limit",
            integer().from_to(1, 10_000),
            "How many at most; all unless it is said.",
        ),
        ("offset", integer().from_to(0, 10_000), "How many to leave out."),
    ];
    api.add(
        manage(
            Method::Get,
            "/applications",
            "listApplications",
            (TAG, "List applications"),
        )
        .asks(&bounds)
        .gives("Oldest first.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/applications",
            "createApplication",
            (TAG, "Make an application"),
        )
        .reads(new_application())
        .edits()
        .makes("The application.", one()),
    );
    let path = "/applications/{id}";
    api.add(
        manage(Method::Get, path, "getApplication", (TAG, "Show an application"))
            .gives("The application.", one()),
    );
    api.add(
        manage(
            Method::Patch,
            path,
            "updateApplication",
            (TAG, "Change an application"),
        )
        .reads(new_application().partial())
        .edits()
        .gives("The application.", one()),
    );
    api.add(
        manage(
            Method::Delete,
            path,
            "deleteApplication",
            (TAG, "Remove an application with its endpoints"),
        )
        .removes(),
    );
    describe_theirs(api);
}

fn application() -> Shape {
    object([
        field("id", configured_id("app_")),
        field("externalId", text().or_null()),
        field("name", text()),
        field("metadata", map(text())),
        field("maxEndpoints", integer().or_null()),
        field("showEventTypes", boolean()),
        created_at(),
        updated_at(),
    ])
}

fn new_application() -> Shape {
    object([
        pinned_id("app_"),
        maybe(
            "externalId",
            text()
                .from_to(1, 255)
                .or_null()
                .note("The workspace's own name for it."),
        ),
        field("name", name()),
        maybe("metadata", metadata()),
        maybe(
            "maxEndpoints",
            integer()
                .from_to(0, 4_294_967_295)
                .or_null()
                .note("Disabled ones count."),
        ),
        maybe(
            "showEventTypes",
            boolean().note("Whether its portal shows the published event types."),
        ),
    ])
}

fn describe_theirs(api: &mut Api) {
    let path = "/applications/{id}/endpoints";
    api.add(
        manage(
            Method::Get,
            path,
            "listApplicationEndpoints",
            (TAG, "List an application's endpoints"),
        )
        .gives("All of them.", list(named("Endpoint"))),
    );
    api.add(
        manage(
            Method::Post,
            path,
            "createApplicationEndpoint",
            (TAG, "Make an endpoint of an application"),
        )
        .reads(new_endpoint())
        .edits()
        .refuses(&[APPLICATION_FULL])
        .makes("The endpoint, with its secret.", named("Endpoint")),
    );
    let order = object([
        maybe(
            "role",
            word(&["admin", "viewer"]).note("`admin` unless it is said."),
        ),
        maybe(
            "expiresInMinutes",
            integer().from_to(1, 10_080).note("An hour unless it is said."),
        ),
        maybe("metadata", metadata()),
    ]);
    let session = object([
        field("url", text().note("Opens the portal, once.")),
        field(
            "code",
            text().note("What the address ends with; shown this once."),
        ),
        field("expiresAt", time()),
    ]);
    api.add(
        manage(
            Method::Post,
            "/applications/{id}/portal",
            "createPortalSession",
            (TAG, "Make a link that lets a customer into the portal"),
        )
        .may_read(order)
        .edits()
        .makes("The link.", session),
    );
}

/// Texts by name, as an owner sets them.
pub(super) fn metadata() -> Shape {
    map(text().from_to(0, 2_000))
        .or_null()
        .note("At most 50 texts by name.")
}
