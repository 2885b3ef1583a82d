CREATE TABLE routes (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    -- Routes are tried in this order; the trace shows them so.
    position INTEGER NOT NULL,
    -- wire::resource::RouteSpec as JSON.
    spec TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT routes_name_key UNIQUE (workspace_id, name)
);
