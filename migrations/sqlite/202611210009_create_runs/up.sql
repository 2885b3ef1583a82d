-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE runs (
    id BLOB NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    playbook_id TEXT NOT NULL,
    -- The event that started it; null when an operator did.
    event_id BLOB,
    route_id TEXT,
    state TEXT NOT NULL CONSTRAINT runs_state_check CHECK (
        state IN ('pending', 'running', 'waiting', 'paused', 'completed', 'faulted', 'cancelled')
    ),
    input BLOB NOT NULL,
    -- {"type","title","detail"} as JSON.
    error TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    updated_at INTEGER NOT NULL
);

-- The runner's sweep takes what no one took, oldest first.
CREATE INDEX runs_pending_idx ON runs (id) WHERE state = 'pending';

-- The management API lists a workspace's runs, newest first, and an event's.
CREATE INDEX runs_workspace_idx ON runs (workspace_id, id DESC);
CREATE INDEX runs_event_idx ON runs (event_id) WHERE event_id IS NOT NULL;
