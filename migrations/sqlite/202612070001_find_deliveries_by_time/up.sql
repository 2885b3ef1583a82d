-- A delivery's id begins with its event's time, and that finds an event's deliveries. This index was written with each change of
-- a delivery's state.
DROP INDEX deliveries_event_idx;
