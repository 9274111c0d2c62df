-- Plans that somebody asked for, each under its digest, and who may have them done. A plan is done at most once.
CREATE TABLE plans (
    digest      TEXT    NOT NULL PRIMARY KEY,
    actor_kind  TEXT    NOT NULL,
    actor_id    INTEGER NOT NULL,
    repo_id     INTEGER NOT NULL,
    environment TEXT    NOT NULL,
    -- What it stands for, in JSON.
    body        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX plans_expire ON plans (expires_at);

CREATE TABLE plan_uses (
    digest TEXT    NOT NULL PRIMARY KEY,
    run    TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was answered to a request with a key of the caller's own, so that it can be repeated safely.
CREATE TABLE answers (
    actor_kind TEXT    NOT NULL,
    actor_id   INTEGER NOT NULL,
    action     TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    -- Digest of what was asked.
    asked      TEXT    NOT NULL,
    answer     TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (actor_kind, actor_id, action, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_at ON answers (at);
