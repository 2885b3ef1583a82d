-- What runs are told and have not taken in yet: events that they waited for, and the wishes of operators.
CREATE TABLE run_inbox (
    -- A UUIDv7: in order of arrival.
    id UUID NOT NULL PRIMARY KEY,
    run_id UUID NOT NULL,
    kind TEXT NOT NULL CONSTRAINT run_inbox_kind_check CHECK (kind IN ('message', 'cancel', 'pause', 'resume', 'retry')),
    -- Of a message: the event, the effect that waited for it, and which of its filters.
    event_id UUID,
    effect INTEGER,
    filter INTEGER,
    -- Whether the event is this run's alone.
    exclusive BOOLEAN NOT NULL DEFAULT FALSE,
    -- Of a retry: whether calls get new idempotency keys.
    fresh_keys BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL,
    -- When the run took it in. Messages stay, so that no event is given twice.
    taken_at TIMESTAMPTZ
);

-- A run is told an event once; an exclusive one goes to one run. The router finds who has an event.
CREATE UNIQUE INDEX run_inbox_event_key ON run_inbox (event_id, run_id) WHERE event_id IS NOT NULL;
CREATE UNIQUE INDEX run_inbox_exclusive_key ON run_inbox (event_id) WHERE exclusive;

-- A runner reads what a run has not taken in yet, in order.
CREATE INDEX run_inbox_open_idx ON run_inbox (run_id, id) WHERE taken_at IS NULL;
