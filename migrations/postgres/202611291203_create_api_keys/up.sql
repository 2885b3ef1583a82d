CREATE TABLE api_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    -- A key sends into one workspace.
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    -- Null: every environment of the workspace. A key that is limited to an environment goes with it.
    environment_id TEXT COLLATE "C" REFERENCES environments (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of the key, which is never kept.
    key_hash BYTEA NOT NULL CONSTRAINT api_keys_key_hash_key UNIQUE,
    -- wire::resource::ApiKeySpec as JSON.
    spec TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT api_keys_name_key UNIQUE (workspace_id, name)
);

-- The foreign key's other way: deleting an environment looks here.
CREATE INDEX api_keys_environment_idx ON api_keys (environment_id) WHERE environment_id IS NOT NULL;
