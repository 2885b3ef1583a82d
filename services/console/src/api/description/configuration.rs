//! Configuration as code.

use super::refusals::{
    APPLICATION_FULL, INVALID_BODY, INVALID_REQUEST, PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, UNSUPPORTED_ENCODING,
};
use super::{Managed as _, manage};
use openapi::{Api, Body, Method, anything, boolean, field, integer, list, object, text, word};

const TAG: &str = "Configuration";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "The whole workspace as one file.");
    let change = object([
        field("action", word(&["create", "update", "delete"])),
        field("kind", text().note("`endpoint`, `source`, …")),
        field("name", text()),
        field("id", text()),
        field(
            "fields",
            list(object([
                field("field", text()),
                field("before", anything()),
                field("after", anything()),
            ])),
        ),
    ]);
    let generated = object([
        field("kind", text()),
        field("name", text()),
        field("field", text()),
        field(
            "value",
            text()
                .or_null()
                .note("The secret, shown this once; null where nothing was done."),
        ),
    ]);
    let applied = object([
        field("workspace", text()),
        field("workspaceId", text()),
        field("dryRun", boolean()),
        field("changes", list(change)),
        field(
            "generated",
            list(generated).note("The secrets that the file left out."),
        ),
        field("unchanged", integer()),
    ]);
    let flags = [
        ("dryRun", boolean(), "Only say what would change."),
        ("prune", boolean(), "Remove what the file does not name."),
    ];
    let file = || text().note("The file, in YAML or JSON, with its variables and files filled in.");
    api.add(
        manage(
            Method::Put,
            "/configuration",
            "applyConfiguration",
            (TAG, "Make the workspace what a file says"),
        )
        .details("The operator's token may make a new workspace so. See `hookyard apply`.")
        .asks(&flags)
        .takes(Body::of([("application/yaml", file())]))
        .edits()
        .refuses(&[
            INVALID_REQUEST,
            INVALID_BODY,
            REQUEST_TIMEOUT,
            PAYLOAD_TOO_LARGE,
            UNSUPPORTED_ENCODING,
            APPLICATION_FULL,
        ])
        .gives("What changed.", applied),
    );
}
