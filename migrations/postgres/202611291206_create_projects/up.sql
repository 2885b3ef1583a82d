CREATE TABLE projects (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    slug TEXT COLLATE "C" NOT NULL,
    -- wire::resource::ProjectSpec as JSON.
    spec TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT projects_slug_key UNIQUE (workspace_id, slug)
);

CREATE TABLE templates (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    slug TEXT COLLATE "C" NOT NULL,
    -- wire::resource::TemplateSpec as JSON.
    spec TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT templates_slug_key UNIQUE (workspace_id, slug)
);
