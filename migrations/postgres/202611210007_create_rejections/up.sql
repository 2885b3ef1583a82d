CREATE TABLE rejections (
    id UUID PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL,
    source_id TEXT COLLATE "C",
    cause TEXT NOT NULL,
    -- A sentence for a person.
    detail TEXT NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    method TEXT NOT NULL,
    query TEXT,
    remote_address TEXT,
    -- [["name","value"],…] as JSON, redacted.
    headers BYTEA NOT NULL,
    -- The first 4 KiB.
    body_preview BYTEA NOT NULL
);

-- The management API lists a workspace's rejections, newest first.
CREATE INDEX rejections_workspace_idx ON rejections (workspace_id, id DESC);
