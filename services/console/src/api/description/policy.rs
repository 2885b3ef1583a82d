//! How deliveries are made: the keys that workspaces, endpoints and routes have in common.

use super::duration;
use openapi::{Field, Shape, boolean, either, field, integer, list, maybe, number, object, text, word};

fn statuses() -> Shape {
    let one = either([integer().from_to(300, 599), word(&["3xx", "4xx", "5xx"])]);
    list(one).note(
        "The answers that end a delivery as `failed`. A class leaves out 408, 425 and 429, which ask for another attempt.",
    )
}

/// The keys as they are written; null leaves one to the level above.
pub(super) fn new_keys() -> Vec<Field> {
    let retry = object([
        maybe("schedule", list(duration()).from_to(1, 50).or_null()),
        maybe(
            "jitter",
            number()
                .or_null()
                .note("0 to 0.5: how far each wait may be off, as a share."),
        ),
    ]);
    let status = either([integer().from_to(300, 599), text()]);
    vec![
        maybe(
            "timeout",
            duration().or_null().note("1s to 1m; null: the workspace's."),
        ),
        maybe("retry", retry.closed().or_null()),
        maybe(
            "finalStatuses",
            list(status)
                .from_to(0, 50)
                .or_null()
                .note("Such as `400` or `4xx`: the answers that end a delivery as `failed`."),
        ),
    ]
}

/// The keys as they are shown; null is left to the level above.
pub(super) fn keys() -> Vec<Field> {
    let retry = object([
        field("schedule", list(duration()).or_null()),
        field("jitter", number().or_null()),
    ]);
    vec![
        field("timeout", duration().or_null()),
        field("retry", retry),
        field("finalStatuses", statuses().or_null()),
    ]
}

/// What holds, each key with who says so.
pub(super) fn effective() -> Shape {
    let ruled = |value| {
        object([
            field("value", value),
            field("from", word(&["default", "workspace", "endpoint", "route"])),
        ])
    };
    let retry = object([
        field("schedule", ruled(list(duration()))),
        field("jitter", ruled(number())),
    ]);
    object([
        field("timeout", ruled(duration())),
        field("retry", retry),
        field("finalStatuses", ruled(statuses())),
    ])
}

/// Whether deliveries go one after the other.
pub(super) fn ordered() -> Shape {
    let by = text().note("A jq expression over the body that yields the key.");
    either([
        boolean(),
        object([field("by", by)]).closed(),
        object([field("header", text())]).closed(),
    ])
}
