-- What happened that others may be told of, written in the transaction in which it did. Kept with its run, so that nothing is
-- news twice. `shared`: everybody who is to be told has it in the outbox.
CREATE TABLE news (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    run    TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    key    TEXT    NOT NULL,
    body   TEXT    NOT NULL,
    shared INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run, key)
) STRICT;
CREATE INDEX news_open ON news (id) WHERE shared = 0;

-- One row for each message that somebody has not taken yet. The id is told to the receiver, and stays the same with each attempt.
CREATE TABLE outbox (
    id       TEXT    NOT NULL PRIMARY KEY,
    news     INTEGER NOT NULL REFERENCES news (id) ON DELETE CASCADE,
    notifier TEXT    NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    since    INTEGER NOT NULL,
    next_at  INTEGER NOT NULL,
    UNIQUE (news, notifier)
) STRICT;
CREATE INDEX outbox_next ON outbox (notifier, next_at);
