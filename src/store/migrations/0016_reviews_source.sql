-- What one source has said is one word, whichever run it was about.
DELETE FROM reviews WHERE rowid NOT IN (SELECT min(rowid) FROM reviews GROUP BY source);
CREATE UNIQUE INDEX reviews_source ON reviews (source);
