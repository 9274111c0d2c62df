-- Which heads of pull requests GitHub has told us of, and when by our clock, in the order in which we heard of them.
CREATE TABLE heads (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id INTEGER NOT NULL,
    pull    INTEGER NOT NULL,
    sha     TEXT    NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX heads_pull ON heads (repo_id, pull, id);
