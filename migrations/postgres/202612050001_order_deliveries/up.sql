-- Deliveries to one endpoint that share a key go one after the other, in the order of their events. Of those that are not
-- finished one may go at a time: the others have no `due_at`, so that whoever looks for what is due does not see them.
ALTER TABLE deliveries
    -- What it shares; null: it goes for itself.
    ADD COLUMN order_key TEXT COLLATE "C",
    -- While it waits for its turn: when it would be due.
    ADD COLUMN turn_due_at TIMESTAMPTZ;

-- The first of a key that is not finished. Nothing of it is written for deliveries without a key.
CREATE INDEX deliveries_order_idx ON deliveries (endpoint_id, order_key, event_id, id)
    WHERE order_key IS NOT NULL AND state IN ('pending', 'scheduled_retry', 'delivering');

-- The one of a key that may go, without reading those that wait for it.
CREATE INDEX deliveries_turn_idx ON deliveries (endpoint_id, order_key)
    WHERE order_key IS NOT NULL AND turn_due_at IS NULL AND state IN ('pending', 'scheduled_retry', 'delivering');
