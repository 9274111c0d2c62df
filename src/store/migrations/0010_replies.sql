-- Our comments that are edited as what they tell of goes on.
CREATE TABLE replies (
    run     TEXT    NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    comment INTEGER NOT NULL,
    done    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX replies_open ON replies (run) WHERE done = 0;
