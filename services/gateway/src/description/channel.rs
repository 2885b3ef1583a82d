//! Door 1.

use super::refusals::{
    DIRECT_INGEST_DISABLED, IDEMPOTENCY_CONFLICT, INVALID_EVENT_TYPE, INVALID_KEY, MISSING_KEY, OF_ACCEPTING,
    OF_BODIES, UNAUTHORIZED,
};
use super::{event_id, post, with_replay};
use openapi::{Answer, Api, Body, Family, anything, either, field, object, time, word};

pub(super) fn describe(api: &mut Api) {
    let recorded = |status| {
        object([
            field("eventId", event_id()),
            field("status", word(&[status])),
            field(
                "timestamp",
                time().note("When the first request with this key was received."),
            ),
        ])
    };
    let skipped = object([
        field("status", word(&["skipped"])),
        field("reason", word(&["no_routes", "paused"])),
    ]);
    api.add(
        post(
            "/api/channels/orgs/{orgSlug}/{channelSlug}",
            "ingestChannel",
            Family::Issues,
            "Door 1: send an event to a channel",
        )
        .details("The body is a JSON text, up to 1 MiB and 128 levels deep. `Content-Encoding: gzip` is taken where the source says so.")
        .needs_header("X-Channel-Secret", "The channel's secret.")
        .needs_header("X-Idempotency-Key", "1 to 255 bytes; the same key is the same event.")
        .header("X-Event-Type", "What the event is called.")
        .takes(Body::json(anything()))
        .answers(Answer::json(202, "Recorded.", recorded("accepted")))
        .answers(with_replay(Answer::json(
            200,
            "Recorded before, or skipped: nothing could match, and nothing was recorded.",
            either([recorded("replayed"), skipped]),
        )))
        .refuses(&[UNAUTHORIZED, DIRECT_INGEST_DISABLED, MISSING_KEY, INVALID_KEY, INVALID_EVENT_TYPE])
        .refuses(&OF_BODIES)
        .refuses(&OF_ACCEPTING)
        .refuses(&[IDEMPOTENCY_CONFLICT]),
    );
}
