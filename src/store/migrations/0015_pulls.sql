-- A lock that ends with a pull request.
ALTER TABLE holds ADD COLUMN pull INTEGER;
CREATE INDEX holds_pull ON holds (repo_id, pull) WHERE pull IS NOT NULL AND ended_at IS NULL;
