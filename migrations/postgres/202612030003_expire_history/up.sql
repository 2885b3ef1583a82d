-- Retention asks whether a run is yet to take an event in.
CREATE INDEX run_inbox_event_idx ON run_inbox (event_id) WHERE event_id IS NOT NULL;
