-- What the handshakes of a source's sender came to.
CREATE TABLE handshakes (
    -- They mean nothing without their source.
    source_id TEXT COLLATE "C" PRIMARY KEY REFERENCES sources (id) ON DELETE CASCADE,
    -- How many were answered.
    answered BIGINT NOT NULL,
    last_at TIMESTAMPTZ NOT NULL,
    -- The secret that came with one, encrypted, until an operator accepts it.
    sealed BYTEA,
    captured_at TIMESTAMPTZ,
    captured_from TEXT
);
