-- What somebody else has reported on GitHub as deployed to an environment where something of ours is live: the newest of each.
CREATE TABLE elsewhere (
    repo_id     INTEGER NOT NULL,
    environment TEXT    NOT NULL,
    -- GitHub's id of the deployment.
    deployment  INTEGER NOT NULL,
    sha         TEXT    NOT NULL,
    -- Who said so.
    login       TEXT    NOT NULL,
    -- When we heard of it.
    at          INTEGER NOT NULL,
    PRIMARY KEY (repo_id, environment)
) STRICT, WITHOUT ROWID;
