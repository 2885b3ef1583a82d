//! Doors 6 and 7.

use super::refusals::{
    INVALID_EVENT_TYPE, INVALID_KEY, OF_ACCEPTING, OF_BODIES, OF_KEYS, OF_RUNS, TRIGGER_DISABLED,
};
use super::{post, run_id, with_limit, with_replay};
use openapi::{
    Answer, Api, Auth, Body, Family, Operation, anything, either, field, integer, maybe, named, object, text,
    word,
};

pub(super) fn describe(api: &mut Api) {
    api.shape(
        "StartedRun",
        object([
            field("workflow_run_id", run_id()),
            field("status", word(&["started"])),
        ]),
    );
    let hook = post(
        "/api/v1/hooks/{token}",
        "runHook",
        Family::Plain,
        "Door 6: start a run by a playbook's hook",
    )
    .details("The body is the run's input: a JSON text, or nothing.")
    .path("token", text(), "The hook's token, `hook_…`.")
    .takes(Body::json(anything()).optional());
    api.add(started(hook, |answer| answer).refuses(&[TRIGGER_DISABLED]));
    let workflow = either([
        integer().note("The playbook's number."),
        text().note("Its slug or its id."),
    ]);
    let body = object([
        field("workflow_id", workflow),
        maybe("input", anything().note("The run's input.")),
    ]);
    let trigger = post(
        "/api/v1/trigger",
        "runTrigger",
        Family::Plain,
        "Door 7: start a run of a playbook by an API key",
    )
    .details("The key needs the scope `trigger`.")
    .auth(Auth::ApiKey)
    .takes(Body::json(body));
    api.add(started(trigger, with_limit).refuses(&OF_KEYS));
}

fn started(operation: Operation, adorned: fn(Answer) -> Answer) -> Operation {
    let answer = |status, about| adorned(Answer::json(status, about, named("StartedRun")));
    operation
        .header("Idempotency-Key", "1 to 255 bytes; the same key is the same run.")
        .header("X-Event-Type", "What the event is called.")
        .answers(answer(201, "Started."))
        .answers(with_replay(answer(200, "Started before.")))
        .refuses(&[INVALID_KEY, INVALID_EVENT_TYPE])
        .refuses(&OF_BODIES)
        .refuses(&OF_ACCEPTING)
        .refuses(&OF_RUNS)
}
