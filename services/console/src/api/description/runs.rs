//! Runs.

use super::refusals::{INVALID_STATE, RUN_ENDED};
use super::{Managed as _, created_at, manage, page, page_of};
use openapi::{
    Answer, Api, Method, Shape, anything, boolean, configured_id, field, integer, maybe, named, object,
    recorded_id, text, time, word,
};

const TAG: &str = "Runs";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "Executions of playbooks.");
    api.shape("Run", run());
    api.shape("Step", step());
    api.add(
        manage(Method::Get, "/runs", "listRuns", (TAG, "List runs"))
            .asks(&of_status())
            .asks(&page())
            .gives("Newest first.", page_of("runs", named("Run"))),
    );
    api.add(manage(Method::Get, "/runs/{id}", "getRun", (TAG, "Show a run")).gives("The run.", named("Run")));
    api.add(
        manage(
            Method::Get,
            "/runs/{id}/steps",
            "listSteps",
            (TAG, "List what a run did"),
        )
        .asks(&page())
        .gives("First to last.", page_of("steps", named("Step"))),
    );
    let wished = || {
        Answer::json(
            202,
            "The run as it is now; it does so within a second.",
            named("Run"),
        )
    };
    for (path, id, summary) in [
        (
            "/runs/{id}/cancel",
            "cancelRun",
            "End a run; calls in flight are given up",
        ),
        (
            "/runs/{id}/pause",
            "pauseRun",
            "Hold a run; calls in flight end, and nothing new begins",
        ),
        ("/runs/{id}/resume", "resumeRun", "Let a run that is held go on"),
    ] {
        api.add(
            manage(Method::Post, path, id, (TAG, summary))
                .refuses(&[INVALID_STATE, RUN_ENDED])
                .answers(wished()),
        );
    }
    let keys = word(&["same", "fresh"]).note(
        "Whether calls have the idempotency keys that they had, with which receivers may answer as before; `same` unless it \
         is said.",
    );
    api.add(
        manage(
            Method::Post,
            "/runs/{id}/retry",
            "retryRun",
            (TAG, "Do the step again at which a run faulted"),
        )
        .may_read(object([maybe("keys", keys)]))
        .refuses(&[INVALID_STATE, RUN_ENDED])
        .answers(wished()),
    );
}

/// The filter that every list of runs has.
pub(super) fn of_status() -> [(&'static str, Shape, &'static str); 1] {
    [("status", status(), "Runs that are so far.")]
}

fn status() -> Shape {
    word(&[
        "pending",
        "running",
        "waiting",
        "paused",
        "completed",
        "faulted",
        "cancelled",
    ])
}

fn run() -> Shape {
    object([
        field("id", recorded_id("run_")),
        field(
            "playbook",
            text().note("The playbook's slug; its id when it is gone."),
        ),
        field("version", integer().note("The version that it keeps to.")),
        field("status", status()),
        field(
            "queued",
            boolean().note("Whether it waits for another run of its playbook to end."),
        ),
        field(
            "trigger",
            word(&["route", "webhook", "hook", "api", "app", "manual"]),
        ),
        field("eventId", recorded_id("msg_").or_null()),
        field("routeId", configured_id("(rt|sub)_").or_null()),
        field("project", text().or_null()),
        field("template", text().or_null()),
        field("input", anything()),
        field("output", anything().note("When it completed; null in lists.")),
        field("error", anything().note("When it faulted.")),
        field("steps", integer().note("How many.")),
        created_at(),
        field("startedAt", time().or_null()),
        field("endedAt", time().or_null()),
    ])
}

fn step() -> Shape {
    object([
        field("number", integer().note("From 1, in the order of ending.")),
        field(
            "pointer",
            text().note("The task's JSON pointer in the definition."),
        ),
        field("name", text()),
        field("kind", text().note("`set`, `call`, `wait`, …")),
        field("status", word(&["completed", "skipped", "faulted", "cancelled"])),
        field(
            "attempt",
            integer().note("From 1; grows with the retries of a `try` around it."),
        ),
        field("input", anything()),
        field("output", anything().note("When it completed.")),
        field(
            "truncated",
            boolean().note("Whether input or output is the beginning of its JSON as a text, or null."),
        ),
        field("error", anything().note("When it faulted.")),
        field("startedAt", time()),
        field("endedAt", time()),
    ])
}
