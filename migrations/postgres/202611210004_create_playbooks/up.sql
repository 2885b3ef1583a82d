CREATE TABLE playbooks (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    slug TEXT COLLATE "C" NOT NULL,
    -- Small and unique in its workspace, for senders that know playbooks by number.
    number INTEGER NOT NULL,
    -- wire::resource::PlaybookSpec as JSON.
    spec TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT playbooks_slug_key UNIQUE (workspace_id, slug),
    CONSTRAINT playbooks_number_key UNIQUE (workspace_id, number)
);
