-- The percentage of users who had been moved to the version when it was written down; nothing: all of them.
ALTER TABLE ledger ADD COLUMN share INTEGER;
