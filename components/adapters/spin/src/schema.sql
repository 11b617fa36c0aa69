-- The tables of the native host, as far as this adapter uses them: the same names, columns and indices. What the host keeps in the
-- columns of `error_events` is one document here, because nothing else reads this outbox.
CREATE TABLE IF NOT EXISTS records (
    twin          TEXT NOT NULL,
    collection    TEXT NOT NULL,
    device_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    time_us       INTEGER NOT NULL,
    message_type  TEXT NOT NULL,
    digest        TEXT NOT NULL,
    body          BLOB NOT NULL,
    stored_at_us  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS records_by_id ON records (twin, collection, device_id, id);
CREATE INDEX IF NOT EXISTS records_by_time ON records (twin, collection, device_id, time_us, id);
-- A sequence number is never used twice: cursors point at letters that may be gone.
CREATE TABLE IF NOT EXISTS dead_letters (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    twin              TEXT NOT NULL,
    letter_id         TEXT NOT NULL,
    id                TEXT NOT NULL,
    peer              TEXT NOT NULL,
    trace_id          TEXT,
    envelope          BLOB NOT NULL,
    attempts          TEXT NOT NULL,
    first_failure_us  INTEGER NOT NULL,
    last_failure_us   INTEGER NOT NULL,
    stored_at_us      INTEGER NOT NULL,
    receipt           TEXT,
    leased_until_us   INTEGER,
    turn              INTEGER NOT NULL DEFAULT 0,
    leased_at_us      INTEGER
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (twin, letter_id);
CREATE INDEX IF NOT EXISTS dead_letters_by_age ON dead_letters (twin, seq);
CREATE TABLE IF NOT EXISTS error_outbox (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    twin      TEXT NOT NULL,
    event_id  TEXT NOT NULL,
    document  BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS error_outbox_by_id ON error_outbox (twin, event_id);
CREATE TABLE IF NOT EXISTS circuits (
    twin     TEXT NOT NULL,
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    state    TEXT NOT NULL,
    PRIMARY KEY (twin, name)
) STRICT, WITHOUT ROWID;
