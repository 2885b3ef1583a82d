-- A route from one event type to one endpoint, made as a subscription; null for every other route. It goes with its type
-- and with its endpoint.
ALTER TABLE routes ADD COLUMN event_type_id TEXT COLLATE "C" REFERENCES event_types (id) ON DELETE CASCADE;
ALTER TABLE routes ADD COLUMN endpoint_id TEXT COLLATE "C" REFERENCES endpoints (id) ON DELETE CASCADE;

-- An endpoint's subscriptions are listed; each type is there once.
CREATE UNIQUE INDEX routes_subscription_key ON routes (endpoint_id, event_type_id);

-- The foreign key's other way: deleting a type looks here.
CREATE INDEX routes_event_type_idx ON routes (event_type_id) WHERE event_type_id IS NOT NULL;
