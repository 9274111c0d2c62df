-- What users of an environment have been given, one row for each time a version took it over. Exactly one row of an
-- environment has no `until`: it is live. Rows are ours alone; nothing that GitHub shows becomes one.
CREATE TABLE ledger (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id     INTEGER NOT NULL,
    environment TEXT    NOT NULL,
    run         TEXT    NOT NULL,
    sha         TEXT    NOT NULL,
    tag         TEXT,
    version     TEXT,
    component   TEXT,
    deployment  INTEGER,
    url         TEXT,
    slot        TEXT,
    -- A version from before this one must not come back (`rollback = "forbidden"` when it was deployed).
    barrier     INTEGER NOT NULL DEFAULT 0,
    -- It came here as a rollback.
    rollback    INTEGER NOT NULL DEFAULT 0,
    -- It succeeded here and nothing has shown since that it is bad.
    good        INTEGER NOT NULL,
    since       INTEGER NOT NULL,
    until       INTEGER
) STRICT;
-- A run that goes back to the commit that it deployed has two rows of it: the way there and the way back.
CREATE UNIQUE INDEX ledger_run ON ledger (run, sha, rollback, coalesce(slot, ''));
CREATE UNIQUE INDEX ledger_live ON ledger (repo_id, environment) WHERE until IS NULL;
CREATE INDEX ledger_environment ON ledger (repo_id, environment, id);

-- What keeps deployments out of an environment: locks and freezes of people, holds after a rollback.
CREATE TABLE holds (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id     INTEGER NOT NULL,
    environment TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('lock', 'freeze', 'hold')),
    owner       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    -- For a hold: the commit that was rolled back; it and what contains it stay out.
    sha         TEXT,
    run         TEXT,
    since       INTEGER NOT NULL,
    until       INTEGER,
    ended_at    INTEGER,
    ended_by    TEXT,
    ended_why   TEXT
) STRICT;
CREATE INDEX holds_open ON holds (repo_id, environment) WHERE ended_at IS NULL;
-- A run that is evaluated twice places its hold once.
CREATE UNIQUE INDEX holds_run ON holds (run, kind) WHERE run IS NOT NULL;
