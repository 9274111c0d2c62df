-- Keys of agents and scripts. Of the key itself only a digest is kept. Rows are never deleted: the number is the principal in
-- the audit. Scopes and environments are lists in JSON.
CREATE TABLE keys (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    digest       BLOB    NOT NULL,
    repo_id      INTEGER NOT NULL,
    repo_name    TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    environments TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT;
