-- SHA-256 of door 2's secret; null: door 2 is not open.
ALTER TABLE playbooks ADD COLUMN secret_hash BYTEA;

-- SHA-256 of the token in door 6's path; null: door 6 is not open.
ALTER TABLE playbooks ADD COLUMN hook_hash BYTEA;

-- What its calls may use as $secrets, encrypted.
ALTER TABLE playbooks ADD COLUMN secrets_sealed BYTEA;

-- Door 6 finds a playbook by its token.
CREATE UNIQUE INDEX playbooks_hook_hash_key ON playbooks (hook_hash);

-- What started the run: `route`, `webhook`, `hook`, `api`, `app` or `manual`.
ALTER TABLE runs ADD COLUMN trigger TEXT NOT NULL DEFAULT 'route';

-- The slugs of what it is targeted at, as they were then.
ALTER TABLE runs ADD COLUMN project TEXT;
ALTER TABLE runs ADD COLUMN template TEXT;
