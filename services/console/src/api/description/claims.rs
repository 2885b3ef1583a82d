//! Claims.

use super::{Managed as _, manage};
use openapi::{Api, Method, field, integer, object, text, time};

const TAG: &str = "Claims";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "What idempotency keys produced.");
    let claim = object([
        field("scope", text().note("The id of what the key is unique in.")),
        field("key", text()),
        field(
            "fingerprint",
            text().or_null().note("Of the first request, in hexadecimal."),
        ),
        field(
            "produced",
            text().note("The id of what the first request produced."),
        ),
        field("firstSeenAt", time()),
        field("expiresAt", time()),
        field("repeats", integer()),
        field("mismatches", integer()),
    ]);
    api.add(
        manage(
            Method::Get,
            "/claims/{scope}/{key}",
            "getClaim",
            (TAG, "Show what an idempotency key produced"),
        )
        .path(
            "scope",
            text(),
            "A source, a playbook, an endpoint or an event type, by its id, slug or name.",
        )
        .gives("The claim.", claim),
    );
}
