-- Times are microseconds since 1970 in UTC; ids are the 16 bytes of a UUID.

CREATE TABLE event_types (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- wire::resource::EventTypeSpec as JSON.
    spec TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Doors register a type by its name on first use; whoever is first makes it.
    CONSTRAINT event_types_name_key UNIQUE (workspace_id, name)
);

-- Which types an environment's portal shows. No row: not shown.
CREATE TABLE published_event_types (
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    event_type_id TEXT NOT NULL REFERENCES event_types (id) ON DELETE CASCADE,
    PRIMARY KEY (environment_id, event_type_id)
);

-- The foreign key's other way: deleting a type looks here.
CREATE INDEX published_event_types_type_idx ON published_event_types (event_type_id);
