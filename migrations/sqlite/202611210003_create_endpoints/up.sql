-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE endpoints (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- Endpoints made through the API may have none.
    slug TEXT,
    -- Also in the spec; here because leasing must skip what a disabled endpoint holds.
    enabled BOOLEAN NOT NULL,
    -- wire::resource::EndpointSpec as JSON.
    spec TEXT NOT NULL,
    -- The signing secrets and the credentials, encrypted.
    sealed BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- A deleted endpoint stays for the history of its deliveries.
    deleted_at INTEGER
);

CREATE UNIQUE INDEX endpoints_slug_key ON endpoints (workspace_id, slug) WHERE deleted_at IS NULL;

-- The management API lists a workspace's endpoints in the order of their making.
CREATE INDEX endpoints_workspace_idx ON endpoints (workspace_id, created_at, id);

-- Leasing leaves out what disabled endpoints hold. Nearly always nearly empty.
CREATE INDEX endpoints_disabled_idx ON endpoints (id) WHERE NOT enabled AND deleted_at IS NULL;
