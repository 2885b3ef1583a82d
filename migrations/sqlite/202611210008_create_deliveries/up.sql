-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE deliveries (
    -- UUIDv8 of the event and the endpoint; its first 48 bits are the event's time.
    id BLOB NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    event_id BLOB NOT NULL,
    endpoint_id TEXT NOT NULL,
    route_id TEXT,
    event_type TEXT,
    state TEXT NOT NULL CONSTRAINT deliveries_state_check CHECK (
        state IN ('pending', 'delivering', 'scheduled_retry', 'delivered', 'dead_letter', 'failed', 'skipped')
    ),
    -- Why it was skipped or failed.
    reason TEXT,
    -- How many attempts were begun under a lease of a worker's own, or recorded.
    attempts INTEGER NOT NULL DEFAULT 0,
    -- When the next attempt is due; null in a final state.
    due_at INTEGER,
    lease_until INTEGER,
    -- Fences off a worker whose lease ran out.
    lease_token BLOB,
    -- What a transform made of the event; null: the event's own bytes.
    body BLOB,
    -- The delivery that this one replays.
    replay_of BLOB,
    first_attempt_at INTEGER,
    delivered_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);

-- Leasing takes what is due, oldest first.
CREATE INDEX deliveries_due_idx ON deliveries (due_at) WHERE state IN ('pending', 'scheduled_retry');

-- The reaper takes leases that ran out.
CREATE INDEX deliveries_lease_idx ON deliveries (lease_until) WHERE state = 'delivering';

-- The management API lists deliveries of a workspace, of an endpoint and of an event, newest first.
CREATE INDEX deliveries_workspace_idx ON deliveries (workspace_id, id DESC);
CREATE INDEX deliveries_endpoint_idx ON deliveries (endpoint_id, id DESC);
CREATE INDEX deliveries_event_idx ON deliveries (event_id);

-- The same of those that an operator must look at: few among many. SQLite sees an OR's terms in a query, but not an IN's.
CREATE INDEX deliveries_failed_idx ON deliveries (workspace_id, id DESC) WHERE state = 'dead_letter' OR state = 'failed';

CREATE TABLE attempts (
    id BLOB NOT NULL PRIMARY KEY,
    delivery_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    -- Null when no status line came.
    response_status INTEGER,
    duration_ms INTEGER NOT NULL,
    -- One of contract.md's kinds; null on success.
    error_kind TEXT,
    error_message TEXT,
    request_headers BLOB NOT NULL,
    response_headers BLOB NOT NULL,
    -- At most 64 KiB.
    response_body BLOB NOT NULL,
    created_at INTEGER NOT NULL
);

-- The attempts of one delivery, in order.
CREATE INDEX attempts_delivery_idx ON attempts (delivery_id, number);
