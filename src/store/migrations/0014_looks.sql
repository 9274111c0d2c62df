-- The newest release is asked for often, and must not cost more with every run that is over.
CREATE INDEX runs_of_workflow ON runs (repo_id, workflow, created_at);
