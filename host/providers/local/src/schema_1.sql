-- The tables of schema version 1. Released, so never changed: what changes goes into the next step.

-- Only ever appended to; the indices give identity and order.
CREATE TABLE records (
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
CREATE UNIQUE INDEX records_by_id ON records (twin, collection, device_id, id);
CREATE INDEX records_by_time ON records (twin, collection, device_id, time_us, id);

-- A sequence number is never used twice: cursors point at letters that may be gone.
CREATE TABLE dead_letters (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    twin              TEXT NOT NULL,
    letter_id         TEXT NOT NULL,
    id                TEXT NOT NULL,
    peer              TEXT NOT NULL,
    trace_id          TEXT,
    envelope          BLOB NOT NULL,
    attempts          TEXT NOT NULL, -- JSON: [{"at_us": 0, "status": 503, "cause": "HTTP 503"}]
    first_failure_us  INTEGER NOT NULL,
    last_failure_us   INTEGER NOT NULL,
    stored_at_us      INTEGER NOT NULL,
    receipt           TEXT,
    leased_until_us   INTEGER
) STRICT;
CREATE UNIQUE INDEX dead_letters_by_id ON dead_letters (twin, letter_id);
CREATE INDEX dead_letters_by_age ON dead_letters (twin, seq);

-- The outbox of system errors.
CREATE TABLE error_events (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    twin             TEXT NOT NULL,
    event_id         TEXT NOT NULL,
    twin_id          TEXT NOT NULL,
    cloud_provider   TEXT NOT NULL,
    severity         TEXT NOT NULL,
    component        TEXT NOT NULL,
    error_code       TEXT NOT NULL,
    message          TEXT NOT NULL,
    timestamp        TEXT NOT NULL,
    raw_data         TEXT,
    attempts         INTEGER NOT NULL DEFAULT 0,
    leased_until_us  INTEGER
) STRICT;
CREATE UNIQUE INDEX error_events_by_id ON error_events (twin, event_id);
CREATE INDEX error_events_by_age ON error_events (twin, seq);

CREATE TABLE circuits (
    twin     TEXT NOT NULL,
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    state    TEXT NOT NULL,
    PRIMARY KEY (twin, name)
) STRICT, WITHOUT ROWID;

-- Written to see whether it can be.
CREATE TABLE health (
    twin           TEXT NOT NULL PRIMARY KEY,
    checked_at_us  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
