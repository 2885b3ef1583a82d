-- Partitioned by day through the time in the key: a look-up by id reads one partition, and retention drops whole days.
-- There is no default partition: one that hides a missing day would have to be scanned to add it.
CREATE TABLE events (
    id UUID PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL,
    source_id TEXT COLLATE "C",
    event_type TEXT,
    state TEXT NOT NULL CONSTRAINT events_state_check CHECK (state IN ('accepted', 'routed', 'quarantined')),
    -- What the signature check said; null when there was none.
    verified BOOLEAN,
    received_at TIMESTAMPTZ NOT NULL,
    method TEXT NOT NULL,
    query TEXT,
    remote_address TEXT,
    -- [["name","value"],…] as JSON.
    headers BYTEA NOT NULL,
    content_type TEXT,
    -- The exact bytes.
    body BYTEA NOT NULL,
    idempotency_key TEXT,
    -- W3C Trace Context of the request, so that what follows joins its trace.
    traceparent TEXT,
    -- How often routing failed.
    failures INTEGER NOT NULL DEFAULT 0,
    -- The decision trace as JSON, once routed.
    trace BYTEA
) PARTITION BY RANGE (id);

-- The router's sweep: what was accepted and never routed. Nearly always nearly empty.
CREATE INDEX events_accepted_idx ON events (id) WHERE state = 'accepted';

-- The management API lists a workspace's events, newest first.
CREATE INDEX events_workspace_idx ON events (workspace_id, id DESC);

-- The same of those that an operator must look at: few among many.
CREATE INDEX events_quarantined_idx ON events (workspace_id, id DESC) WHERE state = 'quarantined';

CREATE TABLE claims (
    -- What the key is unique in, such as a source's id.
    scope TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of the key.
    key_hash BYTEA NOT NULL,
    key TEXT NOT NULL,
    -- SHA-256 of what must be the same in a repeat; null where nothing is compared.
    fingerprint BYTEA,
    event_id UUID NOT NULL,
    -- When the first request was received, for the answers to its repeats.
    accepted_at TIMESTAMPTZ NOT NULL,
    -- On the database's clock.
    expires_at TIMESTAMPTZ NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    mismatches INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, key_hash)
);

-- Retention removes expired claims.
CREATE INDEX claims_expires_at_idx ON claims (expires_at);
