CREATE TABLE recoveries (
    id UUID PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL,
    -- wire::resource::RecoverySpec as JSON.
    spec TEXT NOT NULL,
    state TEXT NOT NULL CONSTRAINT recoveries_state_check CHECK (
        state IN ('saved', 'running', 'paused', 'completed', 'cancelled')
    ),
    -- How many deliveries there were when it was started, as far as they were counted.
    total BIGINT NOT NULL DEFAULT 0,
    -- The last delivery that this pass has looked at.
    scanned_to UUID,
    -- How many were sent again.
    recovered BIGINT NOT NULL DEFAULT 0,
    -- Of this pass: how many cannot be sent again, and how many wait for their endpoint's queue to be short.
    skipped BIGINT NOT NULL DEFAULT 0,
    deferred BIGINT NOT NULL DEFAULT 0,
    -- When the next batch is due.
    next_at TIMESTAMPTZ,
    lease_until TIMESTAMPTZ,
    -- Fences off a process whose lease ran out.
    fence BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

-- The management API lists a workspace's recoveries, newest first.
CREATE INDEX recoveries_workspace_idx ON recoveries (workspace_id, id DESC);

-- Whoever works on recoveries takes the one that waits longest.
CREATE INDEX recoveries_due_idx ON recoveries (next_at) WHERE state = 'running';

-- The recovery that sent this delivery again, as another one.
ALTER TABLE deliveries ADD COLUMN recovery_id UUID;

-- A recovery reads what it may send again, oldest first.
CREATE INDEX deliveries_recoverable_idx ON deliveries (workspace_id, id)
WHERE (state = 'dead_letter' OR state = 'failed') AND recovery_id IS NULL;

-- Dead letters are counted by endpoint, kind of error and type.
CREATE INDEX deliveries_dead_letters_idx ON deliveries (workspace_id, endpoint_id, error_kind, event_type COLLATE "C", created_at)
WHERE state = 'dead_letter' AND recovery_id IS NULL;
