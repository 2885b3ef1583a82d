//! The workspace itself.

use super::{
    Managed as _, created_at, duration, ending, manage, name, new_rate_limit, rate_limit, slug, updated_at,
};
use openapi::{Api, Method, boolean, configured_id, field, maybe, named, object, text};

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
            field("runs", ending("What becomes of runs while it does not accept.")),
            field("rateLimit", rate_limit().or_null()),
            field(
                "retention",
                duration()
                    .or_null()
                    .note("For how long its history is kept; null: for as long as the yard keeps any."),
            ),
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
            ending(
                "What becomes of runs while it is closed: they go on to their end (`drain`), or all of them end, those \
                 included that are being made meanwhile. Opening it again forgets what was said.",
            ),
        ),
        maybe(
            "rateLimit",
            new_rate_limit().note("Of all its doors together, per gateway."),
        ),
        maybe(
            "retention",
            duration().or_null().note(
                "At least `1d`. The yard's own window bounds it; what is unfinished is kept for longer.",
            ),
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
