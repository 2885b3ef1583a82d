//! Runs.

use super::{Managed as _, created_at, manage, page, page_of};
use openapi::{
    Api, Method, anything, configured_id, field, integer, named, object, recorded_id, text, time, word,
};

const TAG: &str = "Runs";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "Executions of playbooks.");
    let status = word(&[
        "pending",
        "running",
        "waiting",
        "paused",
        "completed",
        "faulted",
        "cancelled",
    ]);
    api.shape(
        "Run",
        object([
            field("id", recorded_id("run_")),
            field(
                "playbook",
                text().note("The playbook's slug; its id when it is gone."),
            ),
            field("version", integer().or_null()),
            field("status", status),
            field(
                "trigger",
                word(&["route", "webhook", "hook", "api", "app", "manual"]),
            ),
            field("eventId", recorded_id("msg_").or_null()),
            field("routeId", configured_id("(rt|sub)_").or_null()),
            field("project", text().or_null()),
            field("template", text().or_null()),
            field("input", anything()),
            field("output", anything()),
            field("error", anything()),
            field("steps", integer().note("How many.")),
            created_at(),
            field("startedAt", time().or_null()),
            field("endedAt", time().or_null()),
        ]),
    );
    api.add(
        manage(Method::Get, "/runs", "listRuns", (TAG, "List runs"))
            .asks(&page())
            .gives("Newest first.", page_of("runs", named("Run"))),
    );
    api.add(manage(Method::Get, "/runs/{id}", "getRun", (TAG, "Show a run")).gives("The run.", named("Run")));
}
