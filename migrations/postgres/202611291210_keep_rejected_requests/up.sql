-- Which door refused it: `channel`, `token` or `app`.
ALTER TABLE rejections ADD COLUMN door TEXT NOT NULL DEFAULT 'token';

-- The event that it became when it was accepted by hand.
ALTER TABLE rejections ADD COLUMN event_id UUID;

-- The whole request as it came, encrypted, while it can still be accepted by hand; its headers hold secrets.
ALTER TABLE rejections ADD COLUMN request_sealed BYTEA;
