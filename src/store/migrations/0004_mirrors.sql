-- GitHub's deployments on the heads of merged pull requests that say "it runs here". A row is deleted when its deployment does not
-- say so any more.
CREATE TABLE mirrors (
    -- GitHub's id.
    deployment  INTEGER PRIMARY KEY,
    repo_id     INTEGER NOT NULL,
    environment TEXT    NOT NULL,
    pull        INTEGER NOT NULL,
    run         TEXT    NOT NULL
) STRICT;
CREATE INDEX mirrors_environment ON mirrors (repo_id, environment);
