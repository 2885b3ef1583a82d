-- Every definition that a playbook had: a run keeps to the one it began with. No foreign key: runs outlive their playbook.
CREATE TABLE playbook_versions (
    playbook_id TEXT COLLATE "C" NOT NULL,
    -- From 1, without gaps. A version never changes.
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    -- playbook::Operations as JSON: what it calls, pinned.
    operations TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (playbook_id, version)
);

INSERT INTO playbook_versions (playbook_id, version, definition, operations, created_at)
SELECT id, 1, spec::json ->> 'definition', '{}', updated_at FROM playbooks;

-- The version that new runs begin with; its definition is the spec's.
ALTER TABLE playbooks ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
