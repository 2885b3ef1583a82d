//! Playbooks, and starting their runs by hand.

use super::refusals::{
    INVALID_DEFINITION, INVALID_INPUT, INVALID_STATE, PROJECT_NOT_FOUND, TEMPLATE_NOT_FOUND,
};
use super::{
    Managed as _, created_at, header_secret, manage, page, page_of, pinned_id, slug, token, updated_at,
};
use openapi::{
    Api, Method, Shape, anything, boolean, configured_id, either, field, integer, list, map, maybe, named,
    object, text, word,
};

const TAG: &str = "Playbooks";

pub(super) fn describe(api: &mut Api) {
    api.tag(TAG, "Named workflow documents, and the doors that they open.");
    api.shape("Playbook", playbook());
    let one = || named("Playbook");
    api.add(
        manage(
            Method::Get,
            "/playbooks",
            "listPlaybooks",
            (TAG, "List playbooks"),
        )
        .gives("All of them.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/playbooks",
            "createPlaybook",
            (TAG, "Make a playbook"),
        )
        .reads(new_playbook())
        .edits()
        .refuses(&[INVALID_DEFINITION])
        .makes("The playbook, with the token that was made for it.", one()),
    );
    let path = "/playbooks/{id}";
    api.add(
        manage(Method::Get, path, "getPlaybook", (TAG, "Show a playbook"))
            .path("id", text(), "Its slug or id.")
            .gives("The playbook.", one()),
    );
    for (method, id, summary) in [
        (Method::Patch, "updatePlaybook", "Change a playbook"),
        (Method::Put, "savePlaybook", "Save a playbook's definition"),
    ] {
        api.add(
            manage(method, path, id, (TAG, summary))
                .reads(new_playbook().partial())
                .edits()
                .refuses(&[INVALID_DEFINITION])
                .gives("The playbook, with the token that was made for it.", one()),
        );
    }
    api.add(
        manage(
            Method::Delete,
            path,
            "deletePlaybook",
            (TAG, "Remove a playbook; its runs stay"),
        )
        .removes(),
    );
    let of =
        word(&["secret", "hook"]).note("Door 2's secret unless it is said, or the token in door 6's path.");
    api.add(
        manage(
            Method::Post,
            "/playbooks/{id}/rotate-secret",
            "rotatePlaybookSecret",
            (TAG, "Put a new secret in the old one's place"),
        )
        .may_read(object([maybe("of", of)]))
        .edits()
        .refuses(&[INVALID_STATE])
        .gives("The playbook, with its new secret.", one()),
    );
    describe_runs(api);
}

fn describe_runs(api: &mut Api) {
    let path = "/playbooks/{id}/runs";
    api.add(
        manage(
            Method::Get,
            path,
            "listPlaybookRuns",
            (TAG, "List a playbook's runs"),
        )
        .asks(&page())
        .gives("Newest first.", page_of("runs", named("Run"))),
    );
    api.add(
        manage(Method::Post, path, "startRun", (TAG, "Start a run"))
            .may_read(object([maybe("input", anything())]))
            .refuses(&[
                INVALID_STATE,
                INVALID_INPUT,
                PROJECT_NOT_FOUND,
                TEMPLATE_NOT_FOUND,
            ])
            .makes("The run.", named("Run")),
    );
}

fn playbook() -> Shape {
    let target = object([
        field("project", text().or_null()),
        field("template", text().or_null()),
    ]);
    let hook = object([
        field("enabled", boolean()),
        maybe(
            "token",
            text().note("Only in the answer that made it: what stands in door 6's path."),
        ),
    ]);
    object([
        field("id", configured_id("pb_")),
        field("slug", slug()),
        field("number", integer()),
        field("enabled", boolean()),
        field("definition", text()),
        field(
            "inputSchema",
            anything().note("What the definition asks of its input."),
        ),
        field("hook", hook.or_null()),
        field(
            "target",
            target.note("What its runs are targeted at, by their slugs."),
        ),
        field("concurrency", integer().or_null()),
        field("hasSecret", boolean().note("Whether door 2 is open.")),
        field("hasSecrets", boolean().note("Whether its calls have `$secrets`.")),
        created_at(),
        updated_at(),
        maybe(
            "secret",
            text().note("Only in the answer that made it: what door 2 asks for."),
        ),
    ])
}

fn new_playbook() -> Shape {
    let hook = object([
        maybe("token", token("hook_").note("Made where it is left out.")),
        maybe("enabled", boolean()),
    ]);
    let by_name = || text().or_null().note("By its slug or id.");
    let target = object([maybe("project", by_name()), maybe("template", by_name())]);
    let definition = either([
        text().from_to(1, 1 << 20).note("The document, in YAML or JSON."),
        map(anything()).note("The same, in place."),
    ]);
    object([
        pinned_id("pb_"),
        field("slug", slug()),
        maybe(
            "number",
            integer()
                .from_to(1, 2_147_483_647)
                .note("The next one where it is left out."),
        ),
        field("definition", definition),
        maybe("enabled", boolean()),
        maybe(
            "secret",
            header_secret().or_null().note("Opens door 2; null closes it."),
        ),
        maybe(
            "hook",
            hook.closed().or_null().note("Opens door 6; null closes it."),
        ),
        maybe("target", target.closed().or_null()),
        maybe("concurrency", integer().from_to(1, 10_000).or_null()),
        maybe(
            "secrets",
            map(anything())
                .or_null()
                .note("Texts and objects of texts, for `$secrets`."),
        ),
    ])
}
