CREATE TABLE workspaces (
    id TEXT COLLATE "C" PRIMARY KEY,
    slug TEXT COLLATE "C" NOT NULL CONSTRAINT workspaces_slug_key UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    accepting BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE environments (
    id TEXT COLLATE "C" PRIMARY KEY,
    -- An environment is nothing without its workspace.
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    slug TEXT COLLATE "C" NOT NULL,
    is_default BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT environments_slug_key UNIQUE (workspace_id, slug)
);

-- Exactly one environment of a workspace is the default.
CREATE UNIQUE INDEX environments_default_key ON environments (workspace_id) WHERE is_default;

CREATE TABLE management_tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    -- A token opens one workspace.
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of the token, which is never kept.
    token_hash BYTEA NOT NULL CONSTRAINT management_tokens_token_hash_key UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT management_tokens_name_key UNIQUE (workspace_id, name)
);
