-- wire::resource::WorkspaceSpec as JSON.
ALTER TABLE workspaces ADD COLUMN spec TEXT NOT NULL DEFAULT '{}';
