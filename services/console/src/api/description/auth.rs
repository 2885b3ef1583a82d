//! How attempts say who they are, as it is shown and as it is written.

use openapi::{Field, Shape, either, field, maybe, object, text, time, word};

pub(super) fn shown_auth() -> Shape {
    let certificate = || {
        maybe(
            "clientCertificate",
            certificate().note("What attempts show in the TLS handshake."),
        )
    };
    let with = |kind: Field| object([kind, certificate()]);
    either([
        with(field("basic", object([field("username", text())]))),
        with(field("bearer", object([]))),
        with(field("header", object([field("name", text())]))),
        with(field(
            "oauth2",
            object([
                field("tokenUrl", text()),
                field("clientId", text()),
                field("scope", text().or_null()),
                field("audience", text().or_null()),
            ]),
        )),
        object([field("clientCertificate", self::certificate())]),
    ])
    .or_null()
    .note("How attempts say who they are, without the secret part.")
}

pub(super) fn certificate() -> Shape {
    object([
        field("subject", text()),
        field(
            "fingerprint",
            text().like("^[0-9a-f]{64}$").note("SHA-256, in hexadecimal."),
        ),
        field("notBefore", time()),
        field("expiresAt", time()),
        field(
            "state",
            word(&["valid", "expiring", "expired"]).note("`expiring`: within 30 days."),
        ),
    ])
}

pub(super) fn new_auth() -> Shape {
    let text_field = |name| field(name, text());
    let basic = object([text_field("username"), text_field("password")]).closed();
    let header = object([text_field("name"), text_field("value")]).closed();
    let parameter = || text().like("^[ -~]{1,1024}$");
    let oauth2 = object([
        field("tokenUrl", text().note("It must lead to a public address.")),
        field("clientId", text().like("^[ -~]{1,255}$")),
        field("clientSecret", parameter()),
        maybe("scope", parameter().or_null()),
        maybe("audience", parameter().or_null()),
    ])
    .closed();
    let client_certificate = || {
        object([
            field(
                "certificate",
                pem().note("PEM, with its chain behind it; it must not have expired."),
            ),
            field(
                "key",
                pem().note("Its private key, PEM without a passphrase. It is never shown."),
            ),
        ])
        .closed()
    };
    let with = |kind: Field| object([kind, maybe("clientCertificate", client_certificate())]).closed();
    either([
        with(field("basic", basic)),
        with(field("bearer", text().like("^[!-~]{1,4096}$"))),
        with(field("header", header)),
        with(field("oauth2", oauth2)),
        object([field("clientCertificate", client_certificate())]).closed(),
    ])
    .or_null()
    .note(
        "`oauth2` fetches a token by the client's credentials (RFC 6749 §4.4), one fetch at a time. \
         `clientCertificate` goes beside the others or alone, with an https URL.",
    )
}

pub(super) fn pem() -> Shape {
    text().from_to(1, 65_536)
}
