-- What a run has had done through the door of the actions: written in the transaction that did it, so that it is done once.
CREATE TABLE acts (
    run    TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step   TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;
