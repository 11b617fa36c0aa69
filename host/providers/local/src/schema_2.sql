-- Schema version 2.

-- The place of a letter in the queue of those to be tried: at its end when it is stored, and again each time it is taken.
ALTER TABLE dead_letters ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
UPDATE dead_letters SET turn = seq;
CREATE INDEX dead_letters_by_turn ON dead_letters (twin, turn, letter_id);

-- Which database this is: the file twin.id beside it says the same.
CREATE TABLE store (id TEXT NOT NULL) STRICT;
INSERT INTO store (id) VALUES (lower(hex(randomblob(16))));

-- SHA-256 of what must not change; NULL in rows of schema 1.
ALTER TABLE records ADD COLUMN seal BLOB;
ALTER TABLE dead_letters ADD COLUMN seal BLOB;

-- When a lease began: it is over before its end, if the clock was set back behind its beginning.
ALTER TABLE dead_letters ADD COLUMN leased_at_us INTEGER;
ALTER TABLE error_events ADD COLUMN leased_at_us INTEGER;

-- Rows that were found damaged, so that each is reported once. `item` is the rowid in `records`, seq in `dead_letters`.
CREATE TABLE damage (
    twin         TEXT NOT NULL,
    kind         TEXT NOT NULL, -- record, letter
    item         INTEGER NOT NULL,
    found_at_us  INTEGER NOT NULL,
    PRIMARY KEY (twin, kind, item)
) STRICT, WITHOUT ROWID;

-- Written to see whether there is room.
ALTER TABLE health ADD COLUMN ballast BLOB;
