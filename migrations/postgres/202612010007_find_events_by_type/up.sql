-- A text in an index is compared byte by byte, as everywhere. No row is written anew for it.
ALTER TABLE events ALTER COLUMN event_type TYPE TEXT COLLATE "C";

-- A run that begins to wait looks back over the events of a type that came since it began, newest first.
CREATE INDEX events_type_idx ON events (workspace_id, event_type, id DESC) WHERE event_type IS NOT NULL;
