-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE portal_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    -- A session is nothing without its customer.
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    workspace_id TEXT NOT NULL,
    -- SHA-256 of the code in the link, which opens the portal once.
    code_hash BLOB NOT NULL CONSTRAINT portal_sessions_code_hash_key UNIQUE,
    -- SHA-256 of what the browser got for it; null until the link was used.
    cookie_hash BLOB CONSTRAINT portal_sessions_cookie_hash_key UNIQUE,
    -- wire::resource::PortalSpec as JSON.
    spec TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

-- Housekeeping removes the expired ones.
CREATE INDEX portal_sessions_expires_at_idx ON portal_sessions (expires_at);

-- The foreign key's other way: deleting an application looks here.
CREATE INDEX portal_sessions_application_idx ON portal_sessions (application_id);
