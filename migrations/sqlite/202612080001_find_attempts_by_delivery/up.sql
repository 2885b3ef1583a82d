-- Attempts are asked for by their delivery, and never by their own id alone. One index for the key and that question is written
-- with each attempt instead of two.
CREATE TABLE attempts_by_delivery (
    delivery_id BLOB NOT NULL,
    id BLOB NOT NULL,
    number INTEGER NOT NULL,
    -- Null when no status line came.
    response_status INTEGER,
    duration_ms INTEGER NOT NULL,
    -- One of contract.md's kinds; null on success.
    error_kind TEXT,
    error_message TEXT,
    request_headers BLOB NOT NULL,
    response_headers BLOB NOT NULL,
    -- At most 64 KiB.
    response_body BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (delivery_id, id)
);

INSERT INTO attempts_by_delivery (delivery_id, id, number, response_status, duration_ms, error_kind, error_message,
    request_headers, response_headers, response_body, created_at)
    SELECT delivery_id, id, number, response_status, duration_ms, error_kind, error_message,
    request_headers, response_headers, response_body, created_at FROM attempts;

DROP TABLE attempts;
ALTER TABLE attempts_by_delivery RENAME TO attempts;
