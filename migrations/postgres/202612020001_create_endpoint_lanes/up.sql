-- Leasing goes by lanes first, one an endpoint, and then by a lane's deliveries: an endpoint that is slow or gone costs one
-- row, however many deliveries wait for it. A lane is made by the first delivery that waits.
CREATE TABLE endpoint_lanes (
    endpoint_id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL,
    -- When to look for due deliveries again; null: when one is made.
    ready_at TIMESTAMPTZ,
    -- Since when a look finds nothing due; null: the last one did.
    idle_since TIMESTAMPTZ,
    -- Since when and why the endpoint holds its deliveries; null: it does not.
    held_at TIMESTAMPTZ,
    held_reason TEXT,
    circuit TEXT NOT NULL DEFAULT 'closed' CONSTRAINT endpoint_lanes_circuit_check CHECK (
        circuit IN ('closed', 'open', 'half_open')
    ),
    -- While the circuit is open: when the next probe may go.
    probe_at TIMESTAMPTZ,
    -- While the circuit is not closed: since when deliveries wait for it.
    waits_since TIMESTAMPTZ,
    -- How many leases the endpoint may have, of all workers together; null: no less than its settings say.
    max_in_flight INTEGER,
    -- wire::circuit::Circuit as JSON.
    health TEXT NOT NULL DEFAULT '{}',
    -- Whether a new delivery has to wait for its turn: it is held, or its circuit is not closed, or it is limited.
    is_gated BOOLEAN NOT NULL DEFAULT FALSE,
    -- Whether there is anything in its health that a success changes.
    is_watched BOOLEAN NOT NULL DEFAULT FALSE,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Workers take the lanes that are ready, workspace by workspace.
CREATE INDEX endpoint_lanes_ready_idx ON endpoint_lanes (workspace_id, ready_at) WHERE ready_at IS NOT NULL AND held_at IS NULL;

-- Whoever makes a delivery asks whether it must wait. Nearly always nearly empty.
CREATE INDEX endpoint_lanes_gated_idx ON endpoint_lanes (endpoint_id) WHERE is_gated;

-- An operator asks which of a workspace's endpoints do not take their deliveries as they come.
CREATE INDEX endpoint_lanes_ailing_idx ON endpoint_lanes (workspace_id, endpoint_id) WHERE is_gated;

-- Whoever records an outcome asks whose successes matter. Nearly always nearly empty.
CREATE INDEX endpoint_lanes_watched_idx ON endpoint_lanes (endpoint_id) WHERE is_watched;

-- Leasing takes what is due of one endpoint.
DROP INDEX deliveries_due_idx;
CREATE INDEX deliveries_due_idx ON deliveries (endpoint_id, due_at) WHERE state IN ('pending', 'scheduled_retry');

-- What is in flight is counted by endpoint; the reaper looks through all of it, which is little.
DROP INDEX deliveries_lease_idx;
CREATE INDEX deliveries_lease_idx ON deliveries (endpoint_id, lease_until) WHERE state = 'delivering';

INSERT INTO endpoint_lanes (endpoint_id, workspace_id, ready_at, updated_at)
    SELECT endpoint_id, min(workspace_id), min(due_at), now() FROM deliveries
    WHERE state IN ('pending', 'scheduled_retry') GROUP BY endpoint_id;

INSERT INTO endpoint_lanes (endpoint_id, workspace_id, held_at, held_reason, is_gated, updated_at)
    SELECT id, workspace_id, updated_at, 'disabled', TRUE, now() FROM endpoints WHERE NOT enabled AND deleted_at IS NULL
    ON CONFLICT (endpoint_id) DO UPDATE SET held_at = excluded.held_at, held_reason = excluded.held_reason, is_gated = TRUE;

-- Its lane says what a disabled endpoint holds.
DROP INDEX endpoints_disabled_idx;
