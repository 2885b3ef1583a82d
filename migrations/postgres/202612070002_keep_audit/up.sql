CREATE TABLE audit_entries (
    -- Begins with the time.
    id UUID PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL,
    -- Whom: `management_token`, `operator`, `portal` or `command`; its id and its name as they were then.
    actor_kind TEXT NOT NULL CONSTRAINT audit_entries_actor_kind_check CHECK (
        actor_kind IN ('management_token', 'operator', 'portal', 'command')
    ),
    actor_id TEXT,
    actor_name TEXT,
    -- What was done to what, such as `endpoint.create`.
    action TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id TEXT NOT NULL,
    -- An object as JSON, without secrets.
    detail TEXT NOT NULL
);

-- The management API lists a workspace's audit, newest first.
CREATE INDEX audit_entries_workspace_idx ON audit_entries (workspace_id, id DESC);
