-- The management API lists a playbook's runs, newest first.
CREATE INDEX runs_playbook_idx ON runs (playbook_id, id DESC);
