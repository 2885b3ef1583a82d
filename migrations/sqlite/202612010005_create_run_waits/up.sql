-- The waitbox: which run waits for which events.
CREATE TABLE run_waits (
    run_id BLOB NOT NULL,
    -- The listen's effect, and which of its filters.
    effect INTEGER NOT NULL,
    filter INTEGER NOT NULL,
    workspace_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    -- SHA-256 of the expressions that an event is asked; empty: it correlates with nothing.
    shape BLOB NOT NULL,
    -- SHA-256 of the same with the values that an event must yield; empty as well.
    correlation BLOB NOT NULL,
    -- waitbox::Expectation as JSON.
    spec TEXT NOT NULL,
    -- Whether the first message ends the listen as a whole.
    is_any BOOLEAN NOT NULL,
    -- Whether other runs and the routes see the event too.
    is_broadcast BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, effect, filter)
) WITHOUT ROWID;

-- The router asks which shapes there are for a type, skipping from one to the next; then it looks for those that an event
-- may concern, oldest run first.
CREATE INDEX run_waits_event_idx
    ON run_waits (workspace_id, event_type, shape, correlation, is_broadcast, run_id, effect, filter);
