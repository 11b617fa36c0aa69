-- Schema version 2.

-- The place of a letter in the queue of those to be tried: at its end when it is stored, and again each time it is taken.
ALTER TABLE dead_letters ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
UPDATE dead_letters SET turn = seq;
CREATE INDEX dead_letters_by_turn ON dead_letters (twin, turn, letter_id);
