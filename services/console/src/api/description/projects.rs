//! Projects and templates.

use super::{Managed as _, created_at, manage, name, pinned_id, slug, updated_at};
use openapi::{
    Api, Method, Shape, anything, boolean, configured_id, field, list, map, maybe, named, object, text,
};

const PROJECTS: &str = "Projects";
const TEMPLATES: &str = "Templates";

pub(super) fn describe(api: &mut Api) {
    describe_projects(api);
    describe_templates(api);
}

fn describe_projects(api: &mut Api) {
    api.tag(PROJECTS, "What runs are targeted at.");
    api.shape(
        "Project",
        object([
            field("id", configured_id("prj_")),
            field("slug", slug()),
            field("name", text().or_null()),
            field("enabled", boolean()),
            created_at(),
            updated_at(),
        ]),
    );
    let one = || named("Project");
    let fields = || with_slug("prj_", maybe("enabled", boolean()));
    api.add(
        manage(
            Method::Get,
            "/projects",
            "listProjects",
            (PROJECTS, "List projects"),
        )
        .gives("All of them.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/projects",
            "createProject",
            (PROJECTS, "Make a project"),
        )
        .reads(fields())
        .edits()
        .makes("The project.", one()),
    );
    let path = "/projects/{id}";
    api.add(
        manage(Method::Get, path, "getProject", (PROJECTS, "Show a project")).gives("The project.", one()),
    );
    api.add(
        manage(
            Method::Patch,
            path,
            "updateProject",
            (PROJECTS, "Change a project"),
        )
        .reads(fields().partial())
        .edits()
        .gives("The project.", one()),
    );
    api.add(
        manage(
            Method::Delete,
            path,
            "deleteProject",
            (PROJECTS, "Remove a project"),
        )
        .removes(),
    );
}

fn describe_templates(api: &mut Api) {
    api.tag(TEMPLATES, "Default inputs of runs.");
    api.shape(
        "Template",
        object([
            field("id", configured_id("tpl_")),
            field("slug", slug()),
            field("name", text().or_null()),
            field("inputs", map(anything())),
            created_at(),
            updated_at(),
        ]),
    );
    let one = || named("Template");
    let fields = || with_slug("tpl_", maybe("inputs", map(anything())));
    api.add(
        manage(
            Method::Get,
            "/templates",
            "listTemplates",
            (TEMPLATES, "List templates"),
        )
        .gives("All of them.", list(one())),
    );
    api.add(
        manage(
            Method::Post,
            "/templates",
            "createTemplate",
            (TEMPLATES, "Make a template"),
        )
        .reads(fields())
        .edits()
        .makes("The template.", one()),
    );
    let path = "/templates/{id}";
    api.add(
        manage(Method::Get, path, "getTemplate", (TEMPLATES, "Show a template"))
            .gives("The template.", one()),
    );
    api.add(
        manage(
            Method::Patch,
            path,
            "updateTemplate",
            (TEMPLATES, "Change a template"),
        )
        .reads(fields().partial())
        .edits()
        .gives("The template.", one()),
    );
    api.add(
        manage(
            Method::Delete,
            path,
            "deleteTemplate",
            (TEMPLATES, "Remove a template"),
        )
        .removes(),
    );
}

fn with_slug(prefix: &str, further: openapi::Field) -> Shape {
    object([
        pinned_id(prefix),
        field("slug", slug()),
        maybe("name", name().or_null()),
        further,
    ])
}
