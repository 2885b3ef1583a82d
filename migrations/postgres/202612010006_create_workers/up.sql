-- The runners that are alive: what a silent one had is given up.
CREATE TABLE workers (
    id UUID NOT NULL PRIMARY KEY,
    -- Its host and process, for people.
    name TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL
);
