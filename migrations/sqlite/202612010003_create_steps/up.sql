-- The journal of runs: each task that ended, once. Written in the transaction that keeps the state.
CREATE TABLE steps (
    run_id BLOB NOT NULL,
    -- From 1, without gaps, in the order of ending.
    number INTEGER NOT NULL,
    -- The task's JSON pointer, name and kind.
    pointer TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL CONSTRAINT steps_status_check CHECK (status IN ('completed', 'skipped', 'faulted', 'cancelled')),
    attempt INTEGER NOT NULL,
    -- JSON.
    input BLOB NOT NULL,
    output BLOB,
    -- Whether input or output is not all of it.
    is_cut BOOLEAN NOT NULL,
    -- JSON, when faulted.
    error TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, number)
) WITHOUT ROWID;
