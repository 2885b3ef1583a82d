-- Which door refused it: `channel`, `token` or `app`.
ALTER TABLE rejections ADD COLUMN door TEXT NOT NULL DEFAULT 'token';

-- The event that it became when it was accepted by hand.
ALTER TABLE rejections ADD COLUMN event_id BLOB;

-- The whole request as it came, encrypted, while it can still be accepted by hand; its headers hold secrets. It is the last
-- column, since SQLite reads its way through a large value to whatever comes behind it.
ALTER TABLE rejections ADD COLUMN request_sealed BLOB;
