CREATE TABLE portal_sessions (
    id TEXT COLLATE "C" PRIMARY KEY,
    -- A session is nothing without its customer.
    application_id TEXT COLLATE "C" NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    workspace_id TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of the code in the link, which opens the portal once.
    code_hash BYTEA NOT NULL CONSTRAINT portal_sessions_code_hash_key UNIQUE,
    -- SHA-256 of what the browser got for it; null until the link was used.
    cookie_hash BYTEA CONSTRAINT portal_sessions_cookie_hash_key UNIQUE,
    -- wire::resource::PortalSpec as JSON.
    spec TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- Housekeeping removes the expired ones.
CREATE INDEX portal_sessions_expires_at_idx ON portal_sessions (expires_at);

-- The foreign key's other way: deleting an application looks here.
CREATE INDEX portal_sessions_application_idx ON portal_sessions (application_id);
