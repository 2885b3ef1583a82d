-- Whose the ids of removed things are. What is kept of such a thing, as runs, versions and claims are, is found by its id, and
-- operators may pin ids: without this the next workspace with the id would read another's.
CREATE TABLE retired_ids (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    retired_at INTEGER NOT NULL
);
