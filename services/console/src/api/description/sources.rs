//! Sources.

use super::refusals::INVALID_STATE;
use super::{
    Managed as _, created_at, duration, header_secret, manage, overlap, pinned_id, slug, token, updated_at,
};
use openapi::{
    Api, Field, Method, Operation, Shape, anything, boolean, configured_id, either, field, integer, list,
    map, maybe, named, object, text, time, word,
};

const TAG: &str = "Sources";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "Where webhooks come in. A source opens one or more doors.");
    api.shape("Source", source());
    api.shape("Secret", secret());
    let one = || named("Source");
    api.add(
        manage(Method::Get, "/sources", "listSources", (TAG, "List sources"))
            .gives("All of them.", list(one())),
    );
    api.add(
        manage(Method::Post, "/sources", "createSource", (TAG, "Make a source"))
            .reads(new_source())
            .edits()
            .makes("The source, with the secrets that were made for it.", one()),
    );
    let path = "/sources/{id}";
    api.add(manage(Method::Get, path, "getSource", (TAG, "Show a source")).gives("The source.", one()));
    api.add(
        manage(Method::Patch, path, "updateSource", (TAG, "Change a source"))
            .reads(new_source().partial())
            .edits()
            .gives("The source, with the secrets that were made for it.", one()),
    );
    api.add(
        manage(
            Method::Delete,
            path,
            "deleteSource",
            (TAG, "Remove a source; its events stay"),
        )
        .removes(),
    );
    let rotation = object([
        overlap(),
        maybe(
            "secret",
            text().from_to(1, 8_192).note("Made where it is left out."),
        ),
        maybe(
            "of",
            word(&["verify", "app"]).note("Which one; the one that there is unless it is said."),
        ),
    ]);
    api.add(rotated(
        manage(
            Method::Post,
            "/sources/{id}/rotate-secret",
            "rotateSourceSecret",
            (TAG, "Put a new secret beside the old ones"),
        ),
        rotation,
    ));
    api.add(test());
    describe_captured(api);
}

fn rotated(operation: Operation, shape: Shape) -> Operation {
    operation
        .may_read(shape)
        .edits()
        .refuses(&[INVALID_STATE])
        .gives("The source, with its new secret.", named("Source"))
}

fn describe_captured(api: &mut Api) {
    api.add(
        manage(
            Method::Delete,
            "/sources/{id}/captured-secret",
            "discardCapturedSecret",
            (TAG, "Forget the secret that came with a handshake"),
        )
        .removes()
        .refuses(&[INVALID_STATE]),
    );
    api.add(rotated(
        manage(
            Method::Post,
            "/sources/{id}/captured-secret/accept",
            "acceptCapturedSecret",
            (TAG, "Take over the secret that came with a handshake"),
        ),
        object([overlap()]),
    ));
}

fn test() -> Operation {
    let order = object([
        maybe("headers", map(text()).note("Over those that a test event has.")),
        maybe(
            "body",
            anything().note("A text is sent as it is, everything else as JSON."),
        ),
        maybe("eventType", text().from_to(0, 2_000)),
        maybe("key", text().from_to(0, 2_000).note("Its idempotency key.")),
    ]);
    let relayed = object([
        field("status", integer()),
        field("headers", list(list(text()).from_to(2, 2))),
        field("body", text()),
        field("bodyEncoding", word(&["base64"]).or_null()),
    ]);
    manage(
        Method::Post,
        "/sources/{id}/test",
        "testSource",
        (TAG, "Send a test event through its real door"),
    )
    .may_read(order)
    .refuses(&[INVALID_STATE])
    .gives("What the door answered.", relayed)
}

fn secret() -> Shape {
    object([
        field("id", text()),
        created_at(),
        field("expiresAt", time().or_null().note("When it stops counting.")),
    ])
}

fn source() -> Shape {
    let mut fields = vec![
        field("id", configured_id("so_")),
        field("slug", slug()),
        field("token", text().note("What stands in door 4's path, `src_…`.")),
        field("enabled", boolean()),
        field("environmentId", configured_id("env_")),
        field("verify", shown_verify().or_null()),
        field("eventType", rule().or_null()),
        field("dedupe", shown_dedupe()),
        field("channel", object([field("directIngest", boolean())]).or_null()),
        field("app", shown_app().or_null()),
        field("maxBodyBytes", integer().or_null()),
        field("gzip", boolean()),
        field("handshakes", integer().note("How many were answered.")),
        field("lastHandshakeAt", time().or_null()),
        field("capturedSecret", captured().or_null()),
        created_at(),
        updated_at(),
    ];
    let made = |name, note| maybe(name, text().note(note));
    fields.extend([
        made(
            "secret",
            "Only in the answer that made it: what senders sign with.",
        ),
        made(
            "channelSecret",
            "Only in the answer that made it: what door 1 asks for.",
        ),
        made(
            "appSecret",
            "Only in the answer that made it: what the app's platform signs with.",
        ),
        made(
            "verifyToken",
            "Only in the answer that made it: what a handshake must show.",
        ),
    ]);
    object(fields)
}

fn captured() -> Shape {
    object([
        field("capturedAt", time()),
        field("remoteAddress", text().or_null()),
    ])
    .note("That a secret came with a handshake and waits to be accepted.")
}

fn shown_verify() -> Shape {
    object([
        field("provider", text().or_null()),
        field("scheme", anything()),
        field("mode", mode()),
        field("secrets", list(named("Secret"))),
    ])
}

fn mode() -> Shape {
    word(&["enforce", "record", "off"])
}

fn contacts() -> Shape {
    word(&["required", "optional"])
}

fn rule() -> Shape {
    either([
        object([field("header", text())]).closed(),
        object([field("body", text().note("A jq path, such as `.type`."))]).closed(),
    ])
}

fn shown_dedupe() -> Shape {
    object([
        field("headers", list(text())),
        field("body", text().or_null()),
        field("window", duration()),
        field("requestId", boolean().note("Whether `X-Request-Id` is a key.")),
        field(
            "sameBody",
            duration()
                .or_null()
                .note("How long a body is its own key where an event has no other."),
        ),
    ])
}

fn shown_app() -> Shape {
    object([
        field("id", configured_id("app_")),
        field("adapter", text()),
        field("scheme", anything()),
        field("contacts", contacts()),
        field("doorkeeper", text().or_null().note("A playbook's slug.")),
        field("secrets", list(named("Secret"))),
    ])
}

fn new_source() -> Shape {
    let environment = || text().note("Its environment, by its slug or id; else the default.");
    let channel = object([
        maybe("secret", header_secret().note("Made where it is left out.")),
        maybe("directIngest", boolean()),
    ]);
    object([
        pinned_id("so_"),
        field("slug", slug()),
        maybe("token", token("src_").note("Made where it is left out.")),
        maybe("enabled", boolean()),
        maybe("environment", environment()),
        maybe("environmentId", environment()),
        maybe("verify", object(new_verify()).closed().or_null()),
        maybe("eventType", rule().or_null()),
        maybe("dedupe", object(new_dedupe()).closed().or_null()),
        maybe("channel", channel.closed().or_null().note("Opens door 1.")),
        maybe("app", object(new_app()).closed().or_null().note("Opens door 5.")),
        maybe("maxBodyBytes", integer().from_to(1, 25 << 20).or_null()),
        maybe("gzip", boolean().note("Whether senders may compress.")),
    ])
}

fn new_verify() -> Vec<Field> {
    vec![
        maybe(
            "provider",
            text().or_null().note("The name of a built-in profile."),
        ),
        maybe(
            "scheme",
            anything().note("A scheme of your own, in `provider`'s place."),
        ),
        maybe("mode", mode()),
        maybe("secrets", list(text().from_to(1, 8_192)).from_to(0, 8)),
        maybe(
            "verifyToken",
            text().from_to(1, 8_192).note("What a handshake must show."),
        ),
    ]
}

fn new_dedupe() -> Vec<Field> {
    vec![
        maybe("headers", list(text()).from_to(0, 16)),
        maybe("body", text().or_null().note("A jq path, such as `.id`.")),
        maybe("window", duration()),
        maybe("requestId", boolean()),
        maybe("sameBody", duration().or_null()),
    ]
}

fn new_app() -> Vec<Field> {
    vec![
        maybe("id", configured_id("app_")),
        maybe(
            "adapter",
            text().note("`slack`, `whatsapp`, `telegram`, `custom`, or the URL of one of your own."),
        ),
        maybe(
            "scheme",
            anything().note("For `custom`: a signature scheme of your own."),
        ),
        maybe("signingSecret", text().from_to(1, 8_192)),
        maybe("verifyToken", text().from_to(1, 8_192)),
        maybe("contacts", contacts()),
        maybe("doorkeeper", text().or_null().note("A playbook's slug or id.")),
    ]
}
