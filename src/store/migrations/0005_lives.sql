-- A run that was given up and begins anew lands and holds anew: what it did before keeps its run and is told apart. 0 is the life
-- that goes on, or the last one.
ALTER TABLE ledger ADD COLUMN life INTEGER NOT NULL DEFAULT 0;
DROP INDEX ledger_run;
CREATE UNIQUE INDEX ledger_run ON ledger (run, life, sha, rollback, coalesce(slot, ''));
ALTER TABLE holds ADD COLUMN past INTEGER NOT NULL DEFAULT 0;
DROP INDEX holds_run;
CREATE UNIQUE INDEX holds_run ON holds (run, kind) WHERE run IS NOT NULL AND past = 0;
