-- What was wrong with the last attempt, one of contract.md's kinds: dead letters are looked at by it. Null on success, and of
-- attempts that were recorded before.
ALTER TABLE deliveries ADD COLUMN error_kind TEXT;
