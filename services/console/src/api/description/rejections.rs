//! Rejections.

use super::refusals::{INVALID_SIGNATURE, INVALID_STATE, NOT_ACCEPTABLE, UNKNOWN_SENDER};
use super::{Managed as _, manage, page, page_of};
use openapi::{
    Api, Method, boolean, configured_id, field, list, named, object, recorded_id, text, time, word,
};

const TAG: &str = "Rejections";

pub(super) fn describe(api: &mut Api) {
    api.tag(
        TAG,
        "Requests that were refused at a door, kept for the operator.",
    );
    api.shape(
        "Rejection",
        object([
            field("id", recorded_id("rej_")),
            field("sourceId", configured_id("so_").or_null()),
            field("source", text().or_null().note("The source's slug.")),
            field("door", word(&["channel", "token", "app"])),
            field("cause", text().note("A stable word.")),
            field("detail", text()),
            field("receivedAt", time()),
            field(
                "headers",
                list(list(text()).from_to(2, 2)).note("Without what is secret in them."),
            ),
            field("bodyPreview", text()),
            field("bodyEncoding", word(&["base64"]).or_null()),
            field("method", text()),
            field("query", text().or_null()),
            field("remoteAddress", text().or_null()),
            field(
                "acceptable",
                boolean().note("Whether it is kept whole, so that it can be let in."),
            ),
            field(
                "eventId",
                recorded_id("msg_").or_null().note("The event that it became."),
            ),
        ]),
    );
    let filters = [
        ("cause", text(), "Rejections with this cause."),
        ("source", text(), "Rejections of this source, by its slug or id."),
        ("sourceId", text(), "The same."),
    ];
    api.add(
        manage(
            Method::Get,
            "/rejections",
            "listRejections",
            (TAG, "List rejections"),
        )
        .asks(&page())
        .asks(&filters)
        .gives("Newest first.", page_of("rejections", named("Rejection"))),
    );
    api.add(
        manage(
            Method::Get,
            "/rejections/{id}",
            "getRejection",
            (TAG, "Show a rejection"),
        )
        .gives("The rejection.", named("Rejection")),
    );
    let accepted = object([
        field("eventId", recorded_id("msg_")),
        field("status", word(&["queued", "duplicate"])),
    ]);
    api.add(
        manage(
            Method::Post,
            "/rejections/{id}/accept",
            "acceptRejection",
            (TAG, "Let a rejection in"),
        )
        .details("Its door judges it again, by today's secrets and contacts and by the clock of its arrival.")
        .refuses(&[INVALID_STATE, INVALID_SIGNATURE, UNKNOWN_SENDER, NOT_ACCEPTABLE])
        .gives("The event that it became.", accepted),
    );
}
