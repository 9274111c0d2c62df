-- Each row of the audit holds a digest over itself and the row before. Rows from before this have none; the first one that
-- has it counts them in.
ALTER TABLE audit ADD COLUMN hash TEXT;
