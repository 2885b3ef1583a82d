CREATE TABLE sources (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    -- A source stays in its environment; one with sources is not deleted.
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    slug TEXT COLLATE "C" NOT NULL,
    -- The secret in door 4's path. Kept readable because operators must be able to copy the URL again.
    token TEXT COLLATE "C" NOT NULL CONSTRAINT sources_token_key UNIQUE,
    -- SHA-256 of door 1's secret.
    channel_secret_hash BYTEA,
    -- wire::resource::SourceSpec as JSON.
    spec TEXT NOT NULL,
    -- The signing secrets, encrypted.
    sealed BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT sources_slug_key UNIQUE (workspace_id, slug)
);
