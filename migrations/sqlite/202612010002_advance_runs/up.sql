-- The version of its playbook that it keeps to.
ALTER TABLE runs ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- How often its state was kept: the fence of each commit, with the epoch.
ALTER TABLE runs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- The worker that has it, and how often it was taken.
ALTER TABLE runs ADD COLUMN owner BLOB;
ALTER TABLE runs ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;

-- When it is to be taken: at once when it is new, has messages or was given up, else at its nearest timer. Null: it has
-- ended, or waits for a message, an operator or a slot. Of a run with an owner: since when it has messages that the owner
-- has not been told of.
ALTER TABLE runs ADD COLUMN ready_at INTEGER;

-- The engine's state; null before the first step.
ALTER TABLE runs ADD COLUMN engine BLOB;

-- JSON, when completed.
ALTER TABLE runs ADD COLUMN output BLOB;

-- How many steps it has finished.
ALTER TABLE runs ADD COLUMN steps INTEGER NOT NULL DEFAULT 0;

-- Its place among the runs of its playbook (and of its key) that go on at the same time; null: it has none.
ALTER TABLE runs ADD COLUMN slot INTEGER;
ALTER TABLE runs ADD COLUMN slot_key TEXT;

-- Whether it waits for a slot.
ALTER TABLE runs ADD COLUMN queued BOOLEAN NOT NULL DEFAULT FALSE;

-- How many runs the event that started it descends from: the events that it emits are of the next generation.
ALTER TABLE runs ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

UPDATE runs SET ready_at = created_at WHERE state = 'pending';

DROP INDEX runs_pending_idx;

-- Runners take what is ready, longest first.
CREATE INDEX runs_ready_idx ON runs (ready_at, id) WHERE owner IS NULL AND ready_at IS NOT NULL;

-- What a silent worker had is given up; a kill switch finds what goes on.
CREATE INDEX runs_owner_idx ON runs (owner) WHERE owner IS NOT NULL;
CREATE INDEX runs_unfinished_idx ON runs (workspace_id, id) WHERE state IN ('pending', 'running', 'waiting', 'paused');
CREATE INDEX runs_playbook_unfinished_idx ON runs (playbook_id, id) WHERE state IN ('pending', 'running', 'waiting', 'paused');

-- The management API lists what an operator must look at; the rest is nearly all of the whole lists.
CREATE INDEX runs_failed_idx ON runs (workspace_id, id) WHERE state IN ('faulted', 'cancelled');
CREATE INDEX runs_playbook_failed_idx ON runs (playbook_id, id) WHERE state IN ('faulted', 'cancelled');

-- No two runs have one slot.
CREATE UNIQUE INDEX runs_slot_key ON runs (playbook_id, slot_key, slot) WHERE slot IS NOT NULL;

-- Whoever gives a slot back wakes the oldest that waits for it.
CREATE INDEX runs_queued_idx ON runs (playbook_id, slot_key, id) WHERE queued;
