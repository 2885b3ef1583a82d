CREATE TABLE endpoints (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    -- Endpoints made through the API may have none.
    slug TEXT COLLATE "C",
    -- Also in the spec; here because leasing must skip what a disabled endpoint holds.
    enabled BOOLEAN NOT NULL,
    -- wire::resource::EndpointSpec as JSON.
    spec TEXT NOT NULL,
    -- The signing secrets and the credentials, encrypted.
    sealed BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- A deleted endpoint stays for the history of its deliveries.
    deleted_at TIMESTAMPTZ
);

CREATE UNIQUE INDEX endpoints_slug_key ON endpoints (workspace_id, slug) WHERE deleted_at IS NULL;

-- The management API lists a workspace's endpoints in the order of their making.
CREATE INDEX endpoints_workspace_idx ON endpoints (workspace_id, created_at, id);

-- Leasing leaves out what disabled endpoints hold. Nearly always nearly empty.
CREATE INDEX endpoints_disabled_idx ON endpoints (id) WHERE NOT enabled AND deleted_at IS NULL;
