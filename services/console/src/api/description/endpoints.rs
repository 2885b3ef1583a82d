//! Endpoints, and what they are subscribed to.

use super::applications::metadata;
use super::auth::{certificate, new_auth, pem, shown_auth};
use super::deliveries::of_status;
use super::policy;
use super::refusals::APPLICATION_FULL;
use super::{
    Managed as _, created_at, manage, new_rate_limit, overlap, page, page_of, pinned_id, rate_limit, slug,
    updated_at,
};
use openapi::{
    Api, Field, Method, Shape, anything, boolean, configured_id, field, integer, list, map, maybe, named,
    object, text, time, word,
};

const TAG: &str = "Endpoints";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "Where webhooks go out.");
    api.shape("Endpoint", endpoint());
    let one = || named("Endpoint");
    api.add(
        manage(
            Method::Get,
            "/endpoints",
            "listEndpoints",
            (TAG, "List endpoints"),
        )
        .asks(&included())
        .gives("All of them.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/endpoints",
            "createEndpoint",
            (TAG, "Make an endpoint"),
        )
        .reads(new_endpoint())
        .edits()
        .refuses(&[APPLICATION_FULL])
        .makes("The endpoint, with its secret.", one()),
    );
    let path = "/endpoints/{id}";
    api.add(
        manage(Method::Get, path, "getEndpoint", (TAG, "Show an endpoint"))
            .asks(&included())
            .gives("The endpoint.", one()),
    );
    api.add(
        manage(Method::Patch, path, "updateEndpoint", (TAG, "Change an endpoint"))
            .reads(new_endpoint().partial())
            .edits()
            .refuses(&[APPLICATION_FULL])
            .gives("The endpoint; with a secret if one was made.", one()),
    );
    api.add(
        manage(
            Method::Delete,
            path,
            "deleteEndpoint",
            (TAG, "Remove an endpoint; its waiting deliveries are given up"),
        )
        .removes(),
    );
    api.add(
        manage(
            Method::Get,
            "/endpoints/{id}/deliveries",
            "listEndpointDeliveries",
            (TAG, "List its deliveries"),
        )
        .asks(&page())
        .asks(&of_status())
        .gives(
            "By their events, newest first.",
            page_of("deliveries", named("Delivery")),
        ),
    );
    api.add(
        manage(
            Method::Post,
            "/endpoints/{id}/rotate-secret",
            "rotateEndpointSecret",
            (TAG, "Make a new signing secret"),
        )
        .may_read(object([overlap(), maybe("signing", signing())]))
        .edits()
        .gives("The endpoint, with its new secret.", one()),
    );
    describe_lanes(api);
    describe_subscriptions(api);
}

fn describe_lanes(api: &mut Api) {
    let one = || named("Endpoint");
    api.add(
        manage(
            Method::Post,
            "/endpoints/{id}/hold",
            "holdEndpoint",
            (TAG, "Let it hold its deliveries, those that wait and new ones"),
        )
        .edits()
        .gives("The endpoint, disabled, with its lane.", one()),
    );
    api.add(
        manage(
            Method::Post,
            "/endpoints/{id}/drain",
            "drainEndpoint",
            (TAG, "Let what it holds go: one first, and more as they succeed"),
        )
        .edits()
        .gives("The endpoint, enabled, with its lane.", one()),
    );
}

fn included() -> [(&'static str, Shape, &'static str); 1] {
    [("include", word(&["lane"]), "Also what its deliveries are up to.")]
}

fn lane() -> Shape {
    let when = |name| field(name, time().or_null());
    let held = object([
        field("since", time()),
        field(
            "reason",
            word(&["paused", "disabled", "gone", "failing"]).note(
                "`paused` and `disabled` by an operator; `gone` after an answer 410, `failing` after five days of nothing but \
                 failures.",
            ),
        ),
    ]);
    object([
        field(
            "state",
            word(&["flowing", "limited", "recovering", "open", "held"]).note("Whether its deliveries go."),
        ),
        field("circuit", word(&["closed", "open", "half_open"])),
        when("openedAt"),
        when("nextProbeAt"),
        when("failingSince"),
        field("failuresInARow", integer()),
        field("limit", integer().note("How many attempts may be in flight.")),
        maybe("inFlight", integer().note("Not in a list.")),
        maybe("waiting", integer().note("Counted up to 10,000. Not in a list.")),
        maybe("oldestDueAt", time().or_null().note("Not in a list.")),
        field("held", held.or_null()),
    ])
}

fn describe_subscriptions(api: &mut Api) {
    api.shape(
        "Subscription",
        object([
            field("id", configured_id("sub_")),
            field("eventTypeId", configured_id("evt_")),
            field("eventTypeName", text()),
            created_at(),
        ]),
    );
    let path = "/endpoints/{id}/subscriptions";
    api.add(
        manage(
            Method::Get,
            path,
            "listSubscriptions",
            (TAG, "List the event types it is subscribed to"),
        )
        .gives("All of them.", list(named("Subscription"))),
    );
    let types = list(text().note("An event type's id or name.")).from_to(1, 1_000);
    api.add(
        manage(
            Method::Post,
            path,
            "createSubscriptions",
            (TAG, "Subscribe it to event types"),
        )
        .reads(object([field("eventTypeIds", types)]))
        .edits()
        .makes("How many were named.", object([field("subscribed", integer())])),
    );
    api.add(
        manage(
            Method::Delete,
            "/endpoints/{id}/subscriptions/{type}",
            "deleteSubscription",
            (TAG, "Unsubscribe it from an event type"),
        )
        .path("type", text(), "The event type's id or name.")
        .removes(),
    );
}

fn signing() -> Shape {
    word(&["v1", "v1a"]).note("`v1`: HMAC-SHA256; `v1a`: Ed25519.")
}

fn endpoint() -> Shape {
    let mut fields = vec![
        field("id", configured_id("ep_")),
        field("slug", slug().or_null()),
        field("url", text()),
        field("description", text().or_null()),
        field("enabled", boolean()),
        field("isActive", boolean().note("The same as `enabled`.")),
        field("type", word(&["webhook"])),
        field("config", map(anything())),
        field("metadata", map(text())),
        field("environmentId", configured_id("env_")),
        field(
            "applicationId",
            configured_id("app_").or_null().note("The customer whose it is."),
        ),
        field("headers", map(text())),
        field("auth", shown_auth()),
        field(
            "ca",
            list(certificate())
                .note("The authorities that its certificate may come from; empty: the public ones."),
        ),
        field("rateLimit", rate_limit().or_null()),
        field("concurrency", integer()),
        field("ordered", policy::ordered()),
        field("signing", signing()),
        field(
            "publicKey",
            text()
                .or_null()
                .note("What receivers verify `v1a` with, `whpk_…`."),
        ),
        created_at(),
        updated_at(),
        maybe("secret", text().note("Only in the answer that made it.")),
        maybe(
            "lane",
            lane().note(
                "What its deliveries are up to, where it is asked for with `include=lane`, held or drained.",
            ),
        ),
        maybe(
            "effectivePolicy",
            policy::effective().note(
                "How its deliveries are made, and who says so. In answers to reads, and where it is held or drained.",
            ),
        ),
    ];
    fields.extend(policy::keys());
    object(fields)
}

/// An endpoint as it is made.
pub(super) fn new_endpoint() -> Shape {
    let mut fields = vec![
        pinned_id("ep_"),
        field("url", text().note("It must lead to a public address.")),
    ];
    fields.extend(settings());
    fields.extend(whose());
    object(fields)
}

fn settings() -> Vec<Field> {
    let mut fields = vec![
        maybe("slug", slug().or_null()),
        maybe("description", text().from_to(0, 2_000).or_null()),
        maybe(
            "enabled",
            boolean().note("A disabled endpoint holds its deliveries."),
        ),
        maybe("isActive", boolean().note("The same.")),
        maybe("headers", map(text())),
        maybe("auth", new_auth()),
        maybe(
            "authUsername",
            text()
                .or_null()
                .note("With `authPassword`, another way to write `auth.basic`."),
        ),
        maybe("authPassword", text().or_null()),
        maybe(
            "ca",
            pem().or_null().note(
                "The authorities (PEM) that its certificate may come from, instead of the public ones.",
            ),
        ),
        maybe("rateLimit", new_rate_limit()),
        maybe("concurrency", integer().from_to(1, 1_000)),
        maybe(
            "ordered",
            policy::ordered()
                .or_null()
                .note("Deliveries with the same key go one after the other; true: all of them."),
        ),
        maybe("type", word(&["webhook"])),
        maybe("config", map(anything()).or_null()),
        maybe("metadata", metadata()),
        maybe(
            "secret",
            text().note("`whsec_…` or `whsk_…`; made where it is left out."),
        ),
        maybe("signing", signing()),
    ];
    fields.extend(policy::new_keys());
    fields
}

fn whose() -> Vec<Field> {
    let application = || {
        text()
            .or_null()
            .note("The application whose it is, by its id or external id.")
    };
    let environment = || text().note("Its environment, by its slug or id; else the default.");
    vec![
        maybe("application", application()),
        maybe("applicationId", application()),
        maybe("environment", environment()),
        maybe("environmentId", environment()),
    ]
}
