-- What happened in deployments, in order: one row for each step that is new or has a new state. Whoever follows one asks for
-- what came after the last number that it has seen. Records are a run's notes to itself; loops give their rounds numbers, and
-- may have thousands of rounds that go as ever.
CREATE TABLE events (
    seq   INTEGER PRIMARY KEY,
    run   TEXT    NOT NULL,
    step  TEXT    NOT NULL,
    state TEXT    NOT NULL,
    at    INTEGER NOT NULL
) STRICT;
CREATE INDEX events_run ON events (run, seq);

CREATE TRIGGER step_is_new AFTER INSERT ON steps
WHEN NEW.kind <> 'record' AND (NEW.kind <> 'call' OR NEW.state <> 'pending')
    AND NOT (NEW.name GLOB '*/[0-9]*' AND NEW.state IN ('pending', 'going', 'done', 'timed_out'))
    AND EXISTS (SELECT 1 FROM runs WHERE id = NEW.run AND workflow = 'deploy')
BEGIN
    INSERT INTO events (run, step, state, at) VALUES (NEW.run, NEW.name, NEW.state, NEW.started_at);
END;

CREATE TRIGGER step_has_a_new_state AFTER UPDATE OF state ON steps
WHEN NEW.state <> OLD.state AND NEW.kind <> 'record' AND (NEW.kind <> 'call' OR NEW.state <> 'pending')
    AND NOT (NEW.name GLOB '*/[0-9]*' AND NEW.state IN ('pending', 'going', 'done', 'timed_out'))
    AND EXISTS (SELECT 1 FROM runs WHERE id = NEW.run AND workflow = 'deploy')
BEGIN
    INSERT INTO events (run, step, state, at)
    VALUES (NEW.run, NEW.name, NEW.state, coalesce(NEW.finished_at, CAST(unixepoch('subsec') * 1000 AS INTEGER)));
END;
