-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE playbooks (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    -- Small and unique in its workspace, for senders that know playbooks by number.
    number INTEGER NOT NULL,
    -- wire::resource::PlaybookSpec as JSON.
    spec TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT playbooks_slug_key UNIQUE (workspace_id, slug),
    CONSTRAINT playbooks_number_key UNIQUE (workspace_id, number)
);
