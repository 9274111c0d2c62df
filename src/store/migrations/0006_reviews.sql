-- What people have said about the plan of a run. `teams` is a list in JSON. `source` is the comment or the press of a button:
-- one that is heard twice is kept once.
CREATE TABLE reviews (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    run    TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    digest TEXT    NOT NULL,
    actor  TEXT    NOT NULL,
    teams  TEXT    NOT NULL,
    said   TEXT    NOT NULL CHECK (said IN ('approved', 'rejected')),
    reason TEXT,
    source TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    UNIQUE (run, source)
) STRICT;

-- Gates that somebody has opened for one plan of a run.
CREATE TABLE overrides (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    run    TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    digest TEXT    NOT NULL,
    gate   TEXT    NOT NULL,
    actor  TEXT    NOT NULL,
    role   TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    UNIQUE (run, digest, gate, actor, reason)
) STRICT;
