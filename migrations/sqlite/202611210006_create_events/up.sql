-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE events (
    id BLOB NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    source_id TEXT,
    event_type TEXT,
    state TEXT NOT NULL CONSTRAINT events_state_check CHECK (state IN ('accepted', 'routed', 'quarantined')),
    -- What the signature check said; null when there was none.
    verified BOOLEAN,
    received_at INTEGER NOT NULL,
    method TEXT NOT NULL,
    query TEXT,
    remote_address TEXT,
    -- [["name","value"],…] as JSON.
    headers BLOB NOT NULL,
    content_type TEXT,
    -- The exact bytes.
    body BLOB NOT NULL,
    idempotency_key TEXT,
    -- W3C Trace Context of the request, so that what follows joins its trace.
    traceparent TEXT,
    -- How often routing failed.
    failures INTEGER NOT NULL DEFAULT 0,
    -- The decision trace as JSON, once routed.
    trace BLOB
);

-- The router's sweep: what was accepted and never routed. Nearly always nearly empty.
CREATE INDEX events_accepted_idx ON events (id) WHERE state = 'accepted';

-- The management API lists a workspace's events, newest first.
CREATE INDEX events_workspace_idx ON events (workspace_id, id DESC);

-- The same of those that an operator must look at: few among many.
CREATE INDEX events_quarantined_idx ON events (workspace_id, id DESC) WHERE state = 'quarantined';

CREATE TABLE claims (
    -- What the key is unique in, such as a source's id.
    scope TEXT NOT NULL,
    -- SHA-256 of the key.
    key_hash BLOB NOT NULL,
    key TEXT NOT NULL,
    -- SHA-256 of what must be the same in a repeat; null where nothing is compared.
    fingerprint BLOB,
    event_id BLOB NOT NULL,
    -- When the first request was received, for the answers to its repeats.
    accepted_at INTEGER NOT NULL,
    -- On the database's clock.
    expires_at INTEGER NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    mismatches INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, key_hash)
) WITHOUT ROWID;

-- Retention removes expired claims.
CREATE INDEX claims_expires_at_idx ON claims (expires_at);
