-- A run that begins to wait looks back over the events of a type that came since it began, newest first.
CREATE INDEX events_type_idx ON events (workspace_id, event_type, id DESC) WHERE event_type IS NOT NULL;
