//! Recoveries.

use super::refusals::INVALID_STATE;
use super::{Managed as _, created_at, manage, page, page_of, updated_at};
use openapi::{
    Api, Field, Method, Shape, boolean, configured_id, field, integer, list, maybe, named, object,
    recorded_id, text, time, word,
};

const TAG: &str = "Recoveries";

pub(super) fn describe(api: &mut Api) {
    api.tag(
        TAG,
        "Deliveries that failed are sent again, each once, at a pace, and fresh traffic goes first.",
    );
    api.shape("Recovery", recovery());
    api.shape("RecoveryPreview", preview());
    let one = || named("Recovery");
    api.add(
        manage(
            Method::Get,
            "/recoveries",
            "listRecoveries",
            (TAG, "List recoveries"),
        )
        .asks(&page())
        .gives("Newest first.", page_of("recoveries", one())),
    );
    api.add(
        manage(
            Method::Post,
            "/recoveries",
            "createRecovery",
            (TAG, "Save a recovery, and start it where that is said"),
        )
        .reads(new_recovery())
        .edits()
        .refuses(&[INVALID_STATE])
        .makes("The recovery.", one()),
    );
    api.add(
        manage(
            Method::Post,
            "/recoveries/preview",
            "previewRecovery",
            (TAG, "Say what a recovery would send again, and save nothing"),
        )
        .reads(new_recovery())
        .gives("What it would send again.", named("RecoveryPreview")),
    );
    api.add(
        manage(
            Method::Get,
            "/recoveries/{id}",
            "getRecovery",
            (TAG, "Show a recovery and how far it is"),
        )
        .gives("The recovery.", one()),
    );
    api.add(
        manage(
            Method::Get,
            "/recoveries/{id}/preview",
            "previewSavedRecovery",
            (TAG, "Say what a recovery would send again now"),
        )
        .gives("What it would send again.", named("RecoveryPreview")),
    );
    add_wishes(api);
}

fn add_wishes(api: &mut Api) {
    for (path, id, summary) in [
        (
            "/recoveries/{id}/start",
            "startRecovery",
            "Start a saved recovery",
        ),
        (
            "/recoveries/{id}/pause",
            "pauseRecovery",
            "Hold a recovery that runs",
        ),
        (
            "/recoveries/{id}/resume",
            "resumeRecovery",
            "Have a paused recovery go on where it was",
        ),
        (
            "/recoveries/{id}/cancel",
            "cancelRecovery",
            "End a recovery; what it has sent again stays on its way",
        ),
    ] {
        api.add(
            manage(Method::Post, path, id, (TAG, summary))
                .refuses(&[INVALID_STATE])
                .gives("The recovery.", named("Recovery")),
        );
    }
}

fn statuses() -> Shape {
    list(word(&["dead_letter", "failed"]))
}

fn recovery() -> Shape {
    object([
        field("id", recorded_id("rec_")),
        field(
            "status",
            word(&["saved", "running", "paused", "completed", "cancelled"]),
        ),
        field("endpointId", configured_id("ep_").or_null()),
        field("statuses", statuses()),
        field("errorKind", text().or_null()),
        field("eventType", text().or_null()),
        field("from", time().or_null()),
        field("until", time().or_null()),
        field("perSecond", integer()),
        field(
            "total",
            integer().note("How many there were at its start, of the first 100,000 that were looked at."),
        ),
        field("recovered", integer().note("How many were sent again.")),
        field(
            "skipped",
            integer().note("How many of this pass cannot be: their event or endpoint is gone."),
        ),
        field(
            "deferred",
            integer().note("How many of this pass wait for their endpoint's queue to be short."),
        ),
        created_at(),
        field("startedAt", time().or_null()),
        field("endedAt", time().or_null()),
        updated_at(),
    ])
}

fn new_recovery() -> Shape {
    let fields: Vec<Field> = vec![
        maybe("endpoint", text().or_null().note("By its slug or id; null: all.")),
        maybe(
            "statuses",
            statuses().note("`dead_letter` alone unless it is said."),
        ),
        maybe(
            "errorKind",
            text().or_null().note("What was wrong with the last attempt."),
        ),
        maybe(
            "eventType",
            text().or_null().note("A pattern such as `payment.*`."),
        ),
        maybe(
            "from",
            time()
                .or_null()
                .note("Of events that came then or later, to the millisecond."),
        ),
        maybe("until", time().or_null().note("Of events that came before.")),
        maybe(
            "perSecond",
            integer()
                .from_to(1, 1_000)
                .note("How many are sent again in a second at the most; 10 unless it is said."),
        ),
        maybe("start", boolean().note("Whether it begins at once.")),
    ];
    object(fields)
}

fn preview() -> Shape {
    object([
        field("count", integer()),
        field(
            "complete",
            boolean().note("Whether all were counted; of more than 100,000, the oldest are."),
        ),
        field("oldest", time().or_null()),
        field("newest", time().or_null()),
        field("sample", list(named("Delivery")).note("Some of the oldest.")),
    ])
}
