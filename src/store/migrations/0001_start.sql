-- Times are milliseconds since 1970 (UTC). JSON is text. Ids of GitHub are its numbers.

-- Deliveries, in the order of arrival (seq). lane = repository id, 0 for events without one: order holds within a lane.
CREATE TABLE inbox (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL UNIQUE,
    lane         INTEGER NOT NULL,
    event        TEXT    NOT NULL,
    action       TEXT,
    repo_id      INTEGER,
    repo_name    TEXT,
    installation INTEGER,
    received_at  INTEGER NOT NULL,
    status       TEXT    NOT NULL CHECK (status IN ('pending', 'done', 'ignored', 'dead')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      INTEGER NOT NULL DEFAULT 0,
    note         TEXT    NOT NULL DEFAULT '',
    settled_at   INTEGER,
    size         INTEGER NOT NULL,
    payload      BLOB    NOT NULL
) STRICT;
CREATE INDEX inbox_pending ON inbox (lane, seq) WHERE status = 'pending';
CREATE INDEX inbox_settled ON inbox (settled_at) WHERE status <> 'pending';
CREATE INDEX inbox_dead ON inbox (seq) WHERE status = 'dead';

-- Which runs a delivery started or woke.
CREATE TABLE inbox_runs (
    delivery TEXT NOT NULL,
    run      TEXT NOT NULL,
    PRIMARY KEY (delivery, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_runs_run ON inbox_runs (run);

CREATE TABLE runs (
    id           TEXT    NOT NULL PRIMARY KEY,
    workflow     TEXT    NOT NULL,
    flow_version INTEGER NOT NULL,
    key          TEXT    NOT NULL UNIQUE,
    repo_id      INTEGER NOT NULL,
    repo_name    TEXT    NOT NULL,
    installation INTEGER NOT NULL,
    tag          TEXT,
    sha          TEXT,
    environment  TEXT,
    delivery     TEXT,
    parent       TEXT,
    actor        TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('active', 'finished', 'dead')),
    cancel       TEXT,
    outcome      TEXT,
    starts       INTEGER NOT NULL DEFAULT 1,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    input        TEXT    NOT NULL
) STRICT;
CREATE INDEX runs_active_sha ON runs (repo_id, sha) WHERE state = 'active';
CREATE INDEX runs_tag ON runs (repo_id, tag);
CREATE INDEX runs_created ON runs (created_at);
CREATE INDEX runs_delivery ON runs (delivery);
CREATE INDEX runs_parent ON runs (parent) WHERE parent IS NOT NULL;

-- One row for each name that a workflow asked for. body = what was asked (JSON), result = what came of it (JSON).
CREATE TABLE steps (
    run            TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name           TEXT    NOT NULL,
    seq            INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    attempts       INTEGER NOT NULL DEFAULT 0,
    first_error    TEXT,
    last_error     TEXT,
    first_error_at INTEGER,
    next_at        INTEGER,
    started_at     INTEGER NOT NULL,
    finished_at    INTEGER,
    link           TEXT,
    body           TEXT    NOT NULL,
    result         TEXT,
    UNIQUE (run, name)
) STRICT;
-- Calls to make, found at start; children whose end somebody waits for.
CREATE INDEX steps_open_calls ON steps (run) WHERE state = 'pending' AND kind IN ('call', 'undo');
CREATE INDEX steps_open_children ON steps (link) WHERE state = 'pending' AND kind = 'child';

CREATE TABLE timers (
    run  TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT    NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE signals (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    run      TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name     TEXT    NOT NULL,
    value    TEXT    NOT NULL,
    taken_by TEXT,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX signals_run ON signals (run);

-- The queue of each lock; the id is the fencing token: first come, first served, so it grows from holder to holder.
CREATE TABLE locks (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    key   TEXT    NOT NULL,
    run   TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name  TEXT    NOT NULL,
    held  INTEGER NOT NULL,
    since INTEGER NOT NULL,
    UNIQUE (run, name)
) STRICT;
CREATE INDEX locks_key ON locks (key, id);

CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    door     TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    run      TEXT,
    repo_id  INTEGER,
    decision TEXT    NOT NULL,
    detail   TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_run ON audit (run) WHERE run IS NOT NULL;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END;

CREATE TABLE repos (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    installation INTEGER NOT NULL,
    first_seen   INTEGER NOT NULL,
    suspended    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX repos_installation ON repos (installation);

-- Tags that the reconciler has seen; baseline ones were there before us and are never released by it.
CREATE TABLE known_tags (
    repo_id  INTEGER NOT NULL,
    tag      TEXT    NOT NULL,
    object   TEXT    NOT NULL,
    baseline INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (repo_id, tag)
) STRICT, WITHOUT ROWID;

-- Small facts by key: ETags with the answer that they stand for, cursors.
CREATE TABLE facts (
    key   TEXT    NOT NULL PRIMARY KEY,
    etag  TEXT,
    value TEXT    NOT NULL,
    at    INTEGER NOT NULL
) STRICT;
