-- A run that expires takes its inbox with it.
CREATE INDEX run_inbox_run_idx ON run_inbox (run_id);
