CREATE TABLE event_types (
    id TEXT COLLATE "C" PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    -- wire::resource::EventTypeSpec as JSON.
    spec TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- Doors register a type by its name on first use; whoever is first makes it.
    CONSTRAINT event_types_name_key UNIQUE (workspace_id, name)
);

-- Which types an environment's portal shows. No row: not shown.
CREATE TABLE published_event_types (
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    event_type_id TEXT COLLATE "C" NOT NULL REFERENCES event_types (id) ON DELETE CASCADE,
    PRIMARY KEY (environment_id, event_type_id)
);

-- The foreign key's other way: deleting a type looks here.
CREATE INDEX published_event_types_type_idx ON published_event_types (event_type_id);
