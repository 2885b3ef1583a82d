//! The workspace itself.

use super::{Managed as _, created_at, manage, name, new_rate_limit, rate_limit, slug, updated_at};
use openapi::{Api, Method, boolean, configured_id, field, maybe, named, object, text, word};

const TAG: &str = "Workspace";

pub(super) fn describe(api: &mut Api) {
    api.tag(
        TAG,
        "The workspace itself: its name, its limit and its kill switch.",
    );
    api.shape(
        "Workspace",
        object([
            field("id", configured_id("ws_")),
            field("slug", slug()),
            field("name", text()),
            field("accepting", boolean().note("False closes every door.")),
            field("rateLimit", rate_limit().or_null()),
            created_at(),
            updated_at(),
        ]),
    );
    let change = object([
        maybe("name", name()),
        maybe(
            "accepting",
            boolean().note("False closes every door, everywhere within a second."),
        ),
        maybe(
            "runs",
            word(&["drain", "cancel"]).note(
                "What becomes of runs when it is closed: they go on to their end (`drain`), or all of them end now.",
            ),
        ),
        maybe(
            "rateLimit",
            new_rate_limit().note("Of all its doors together, per gateway."),
        ),
    ]);
    api.add(
        manage(Method::Get, "", "getWorkspace", (TAG, "Show the workspace"))
            .gives("The workspace.", named("Workspace")),
    );
    api.add(
        manage(
            Method::Patch,
            "",
            "updateWorkspace",
            (TAG, "Change the workspace"),
        )
        .reads(change)
        .edits()
        .gives("The workspace.", named("Workspace")),
    );
}
