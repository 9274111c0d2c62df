-- Of a run that has just begun, its plan says whom it asks.
CREATE INDEX plan_uses_run ON plan_uses (run);
