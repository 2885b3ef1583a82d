CREATE TABLE contacts (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT contacts_name_key UNIQUE (workspace_id, name)
);

-- By which ids the platforms know them.
CREATE TABLE contact_addresses (
    -- An address means something at its source alone.
    source_id TEXT COLLATE "C" NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    address TEXT COLLATE "C" NOT NULL,
    contact_id TEXT COLLATE "C" NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    PRIMARY KEY (source_id, address)
);

-- A contact is shown with its addresses.
CREATE INDEX contact_addresses_contact_idx ON contact_addresses (contact_id);

-- The id in door 5's path; null: door 5 is not open.
ALTER TABLE sources ADD COLUMN app_id TEXT COLLATE "C";

-- The app's signing secrets and its verify token, encrypted.
ALTER TABLE sources ADD COLUMN app_sealed BYTEA;

-- Door 5 finds a source by its app.
CREATE UNIQUE INDEX sources_app_id_key ON sources (app_id);
