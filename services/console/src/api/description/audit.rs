//! The audit.

use super::{Managed as _, manage, page, page_of};
use openapi::{Api, Method, Shape, anything, field, map, named, object, recorded_id, text, time, word};

const TAG: &str = "Audit";

pub(super) fn describe(api: &mut Api) {
    api.tag(
        TAG,
        "Who did what: every change that is made over this API, in the portal, and by `hookyard apply`.",
    );
    api.shape("AuditEntry", entry());
    api.add(
        manage(Method::Get, "/audit", "listAudit", (TAG, "List who did what"))
            .asks(&page())
            .gives("Newest first.", page_of("audit", named("AuditEntry"))),
    );
}

fn entry() -> Shape {
    let actor = object([
        field(
            "kind",
            word(&["management_token", "operator", "portal", "command"]).note(
                "`management_token` and `operator`: who showed that token; `portal`: a customer; `command`: \
                 `hookyard apply` or `hookyard dev`, straight into the ledger.",
            ),
        ),
        field(
            "id",
            text()
                .or_null()
                .note("Of the token, or of the customer's visit; the others have none."),
        ),
        field("name", text().or_null().note("What it was called then.")),
    ]);
    let target = object([
        field(
            "kind",
            text().note("What the action begins with, such as `endpoint`."),
        ),
        field("id", text()),
    ]);
    object([
        field("id", recorded_id("aud_")),
        field("at", time()),
        field("actor", actor),
        field(
            "action",
            text()
                .like("^[a-z_]+\\.[a-z_]+$")
                .note("Such as `endpoint.create`, `source.rotate_secret` or `delivery.retry`."),
        ),
        field("target", target),
        field(
            "detail",
            map(anything()).note(
                "What else there is to say: `name`, what the target is called; `fields`, which of its fields were \
                 set, without their values; `apply`, that a file did it. Never a secret.",
            ),
        ),
    ])
}
