-- Times are microseconds since 1970 in UTC.

-- What the handshakes of a source's sender came to.
CREATE TABLE handshakes (
    -- They mean nothing without their source.
    source_id TEXT NOT NULL PRIMARY KEY REFERENCES sources (id) ON DELETE CASCADE,
    -- How many were answered.
    answered INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    -- The secret that came with one, encrypted, until an operator accepts it.
    sealed BLOB,
    captured_at INTEGER,
    captured_from TEXT
);
