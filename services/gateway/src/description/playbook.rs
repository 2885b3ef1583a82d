//! Door 2.

use super::refusals::{
    INVALID_EVENT_TYPE, INVALID_KEY, INVALID_WEBHOOK_SECRET, MISSING_KEY, OF_ACCEPTING, OF_BODIES, OF_RUNS,
};
use super::{post, run_id, with_replay};
use openapi::{Answer, Api, Body, Family, field, maybe, object, text, time, word};

pub(super) fn describe(api: &mut Api) {
    let run = |status| {
        object([
            field("runId", run_id()),
            field("status", word(&[status])),
            field("message", text()),
            field(
                "timestamp",
                time().note("When the first request with this key was received."),
            ),
        ])
    };
    let input = object([
        maybe(
            "project",
            text()
                .or_null()
                .note("The project that the run is targeted at; else the playbook's own."),
        ),
        maybe(
            "template",
            text()
                .or_null()
                .note("The template of its inputs; else the playbook's own."),
        ),
    ]);
    api.add(
        post(
            "/api/webhooks/orgs/{orgSlug}/playbooks/{playbookSlug}",
            "triggerPlaybook",
            Family::Issues,
            "Door 2: start a run of a playbook",
        )
        .details("The body is the run's input: an object, or nothing.")
        .needs_header("X-Webhook-Secret", "The playbook's secret.")
        .needs_header(
            "X-Idempotency-Key",
            "1 to 255 bytes; the same key is the same run.",
        )
        .header("X-Event-Type", "What the event is called.")
        .takes(Body::json(input).optional())
        .answers(Answer::json(201, "Started.", run("created")))
        .answers(with_replay(Answer::json(200, "Started before.", run("replayed"))))
        .refuses(&[
            INVALID_WEBHOOK_SECRET,
            MISSING_KEY,
            INVALID_KEY,
            INVALID_EVENT_TYPE,
        ])
        .refuses(&OF_BODIES)
        .refuses(&OF_ACCEPTING)
        .refuses(&OF_RUNS),
    );
}
