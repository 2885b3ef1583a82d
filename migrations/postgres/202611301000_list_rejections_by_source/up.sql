-- The management API lists the rejections of one source, newest first.
CREATE INDEX rejections_source_idx ON rejections (workspace_id, source_id, id DESC);
