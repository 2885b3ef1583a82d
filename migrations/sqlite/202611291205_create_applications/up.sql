-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE applications (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    -- The workspace's own name for this customer.
    external_id TEXT,
    -- wire::resource::ApplicationSpec as JSON.
    spec TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT applications_external_id_key UNIQUE (workspace_id, external_id)
);

-- The management API lists a workspace's applications in the order of their making.
CREATE INDEX applications_workspace_idx ON applications (workspace_id, created_at, id);

-- Whose endpoint it is; null: the workspace's own. No foreign key: a deleted endpoint outlives its application.
ALTER TABLE endpoints ADD COLUMN application_id TEXT;

-- How the endpoint wants to be addressed (a password, a bearer token), encrypted.
ALTER TABLE endpoints ADD COLUMN credential_sealed BLOB;

-- An application's endpoints are listed, and counted against its limit.
CREATE INDEX endpoints_application_idx ON endpoints (application_id, created_at, id) WHERE application_id IS NOT NULL;
