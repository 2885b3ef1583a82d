//! Playbooks, and starting their runs by hand.

use super::refusals::{
    INVALID_DEFINITION, INVALID_INPUT, INVALID_STATE, PROJECT_NOT_FOUND, TEMPLATE_NOT_FOUND,
};
use super::{
    Managed as _, created_at, ending, header_secret, manage, page, page_of, pinned_id, slug, token,
    updated_at,
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
            (
                TAG,
                "Remove a playbook; its runs stay, and those that go on are cancelled",
            ),
        )
        .removes(),
    );
    describe_versions(api);
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

fn describe_versions(api: &mut Api) {
    let definition = || new_definition().note("The document, in YAML or JSON, or the same in place.");
    let checked = object([
        field(
            "valid",
            boolean().note("Always true: what is not valid is refused."),
        ),
        field("name", text()),
        field("version", text().note("The author's own, `document.version`.")),
        field("tasks", integer().note("How many.")),
        field("inputSchema", anything()),
        field("secrets", list(text()).note("The names of those it may use.")),
        field(
            "listensTo",
            list(text()).note("Event types; computed ones as `${ … }`."),
        ),
    ]);
    api.add(
        manage(
            Method::Post,
            "/playbooks/validate",
            "validatePlaybook",
            (TAG, "Check a definition, and keep nothing"),
        )
        .reads(object([
            field("definition", definition()),
            maybe("slug", slug().note("What the document must be named.")),
        ]))
        .refuses(&[INVALID_DEFINITION])
        .gives("What it is.", checked),
    );
    api.shape(
        "PlaybookVersion",
        object([
            field("version", integer().note("From 1.")),
            field("active", boolean().note("Whether new runs begin with it.")),
            maybe("definition", text().note("Only of one version.")),
            created_at(),
        ]),
    );
    let path = "/playbooks/{id}/versions";
    api.add(
        manage(
            Method::Get,
            path,
            "listPlaybookVersions",
            (TAG, "List a playbook's versions"),
        )
        .asks(&page())
        .gives("Newest first.", page_of("versions", named("PlaybookVersion"))),
    );
    api.add(
        manage(
            Method::Get,
            "/playbooks/{id}/versions/{version}",
            "getPlaybookVersion",
            (TAG, "Show a version"),
        )
        .gives("The version, with its definition.", named("PlaybookVersion")),
    );
    api.add(
        manage(
            Method::Post,
            "/playbooks/{id}/versions/{version}/activate",
            "activatePlaybookVersion",
            (TAG, "Let new runs begin with a version again"),
        )
        .edits()
        .refuses(&[INVALID_STATE, INVALID_DEFINITION])
        .gives("The playbook.", named("Playbook")),
    );
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
        .asks(&super::runs::of_status())
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
    let warning = object([field("code", word(&["secret_not_set"])), field("message", text())]);
    object([
        field("id", configured_id("pb_")),
        field("slug", slug()),
        field("number", integer()),
        field(
            "version",
            integer().note("What new runs begin with; its definition is shown."),
        ),
        field("enabled", boolean()),
        field("runs", ending("What becomes of its runs while it is disabled.")),
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
        field("concurrencyKey", text().or_null()),
        field("hasSecret", boolean().note("Whether door 2 is open.")),
        field("hasSecrets", boolean().note("Whether its calls have `$secrets`.")),
        field(
            "warnings",
            list(warning).note("What deserves a look, and refuses nothing."),
        ),
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
    object([
        pinned_id("pb_"),
        field("slug", slug()),
        maybe(
            "number",
            integer()
                .from_to(1, 2_147_483_647)
                .note("The next one where it is left out."),
        ),
        field("definition", new_definition()),
        maybe("enabled", boolean()),
        maybe(
            "runs",
            ending(
                "What becomes of its runs while it is disabled: they go on to their end (`drain`), or all of them end, those \
                 included that are being made meanwhile. Enabling it again forgets what was said.",
            ),
        ),
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
            "concurrencyKey",
            text().or_null().note(
                "A jq expression over a run's input, such as `.customer.id`: `concurrency` counts the runs of each value \
                 that it yields.",
            ),
        ),
        maybe(
            "secrets",
            map(anything())
                .or_null()
                .note("Texts and objects of texts, for `$secrets`."),
        ),
    ])
}

fn new_definition() -> Shape {
    either([
        text().from_to(1, 1 << 20).note("The document, in YAML or JSON."),
        map(anything()).note("The same, in place."),
    ])
}
