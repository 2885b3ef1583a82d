CREATE TABLE runs (
    id UUID PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL,
    playbook_id TEXT COLLATE "C" NOT NULL,
    -- The event that started it; null when an operator did.
    event_id UUID,
    route_id TEXT COLLATE "C",
    state TEXT NOT NULL CONSTRAINT runs_state_check CHECK (
        state IN ('pending', 'running', 'waiting', 'paused', 'completed', 'faulted', 'cancelled')
    ),
    input BYTEA NOT NULL,
    -- {"type","title","detail"} as JSON.
    error TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

-- The runner's sweep takes what no one took, oldest first.
CREATE INDEX runs_pending_idx ON runs (id) WHERE state = 'pending';

-- The management API lists a workspace's runs, newest first, and an event's.
CREATE INDEX runs_workspace_idx ON runs (workspace_id, id DESC);
CREATE INDEX runs_event_idx ON runs (event_id) WHERE event_id IS NOT NULL;
