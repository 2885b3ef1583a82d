-- Why the signature check said what it said: the reason of an invalid signature, one of the names in
-- crates/signature/src/reason.rs, and the id of the source's secret that a valid one was made with. Null where nothing was
-- checked, and of events that were recorded before.
ALTER TABLE events ADD COLUMN verify_reason TEXT COLLATE "C";
ALTER TABLE events ADD COLUMN verify_secret_id TEXT COLLATE "C";
