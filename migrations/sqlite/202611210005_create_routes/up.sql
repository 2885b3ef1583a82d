-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE routes (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- Routes are tried in this order; the trace shows them so.
    position INTEGER NOT NULL,
    -- wire::resource::RouteSpec as JSON.
    spec TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT routes_name_key UNIQUE (workspace_id, name)
);
