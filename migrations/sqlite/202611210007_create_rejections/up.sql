-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE rejections (
    id BLOB NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    source_id TEXT,
    cause TEXT NOT NULL,
    -- A sentence for a person.
    detail TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    method TEXT NOT NULL,
    query TEXT,
    remote_address TEXT,
    -- [["name","value"],…] as JSON, redacted.
    headers BLOB NOT NULL,
    -- The first 4 KiB.
    body_preview BLOB NOT NULL
);

-- The management API lists a workspace's rejections, newest first.
CREATE INDEX rejections_workspace_idx ON rejections (workspace_id, id DESC);
