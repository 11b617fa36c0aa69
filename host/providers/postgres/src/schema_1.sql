-- The tables of schema version 1. Once released never changed: what changes goes into the next step.
--
-- Texts are compared byte by byte (COLLATE "C"), as everywhere else. A backslash in a text is stored as two, and the character
-- NUL, which PostgreSQL cannot store, as a backslash and 0. Times are in microseconds since 1970-01-01T00:00:00Z.

CREATE SCHEMA twin;

-- The version of the tables: one row.
CREATE TABLE twin.schema (
    only_row  boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    version   integer NOT NULL
);

-- The primary key is the identity. It has no time, so that the table cannot be partitioned by it.
CREATE TABLE twin.records (
    twin          text COLLATE "C" NOT NULL,
    collection    text COLLATE "C" NOT NULL,
    device_id     text COLLATE "C" NOT NULL,
    id            text COLLATE "C" NOT NULL,
    time_us       bigint NOT NULL,
    message_type  text NOT NULL,
    digest        text COLLATE "C" NOT NULL,
    body          bytea NOT NULL, -- verbatim
    seal          bytea NOT NULL, -- SHA-256 of time, id and body, each behind its length
    stored_at_us  bigint NOT NULL,
    PRIMARY KEY (twin, collection, device_id, id)
);
CREATE INDEX records_by_time ON twin.records (twin, collection, device_id, time_us, id);
-- For retention; appended to at its end.
CREATE INDEX records_by_age ON twin.records (twin, stored_at_us);

-- The places of letters in the queue of those to be tried: a letter gets a number when it is stored, and again each time it is
-- taken.
CREATE SEQUENCE twin.turns;

-- A number is never given twice: cursors point at letters that may be gone.
CREATE TABLE twin.dead_letters (
    seq               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    twin              text COLLATE "C" NOT NULL,
    letter_id         text COLLATE "C" NOT NULL,
    id                text COLLATE "C" NOT NULL,
    peer              text COLLATE "C" NOT NULL,
    trace_id          text,
    envelope          bytea NOT NULL, -- verbatim
    attempts          text NOT NULL,  -- JSON: [{"at_us": 0, "status": 503, "cause": "HTTP 503"}]
    first_failure_us  bigint NOT NULL,
    last_failure_us   bigint NOT NULL,
    seal              bytea NOT NULL, -- SHA-256 of what the letter is found and sent by
    stored_at_us      bigint NOT NULL,
    turn              bigint NOT NULL DEFAULT nextval('twin.turns'),
    receipt           text COLLATE "C",
    leased_at_us      bigint,         -- a lease is over before its end, if the clock was set back behind its beginning
    leased_until_us   bigint
);
CREATE UNIQUE INDEX dead_letters_by_id ON twin.dead_letters (twin, letter_id);
CREATE INDEX dead_letters_by_age ON twin.dead_letters (twin, seq);
CREATE INDEX dead_letters_by_turn ON twin.dead_letters (twin, turn, letter_id);

-- The outbox of system errors.
CREATE TABLE twin.error_events (
    seq              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    twin             text COLLATE "C" NOT NULL,
    event_id         text COLLATE "C" NOT NULL,
    twin_id          text NOT NULL,
    cloud_provider   text NOT NULL,
    severity         text NOT NULL,
    component        text NOT NULL,
    error_code       text NOT NULL,
    message          text NOT NULL,
    timestamp        text NOT NULL,
    raw_data         text,
    attempts         integer NOT NULL DEFAULT 0,
    leased_at_us     bigint,
    leased_until_us  bigint
);
CREATE UNIQUE INDEX error_events_by_id ON twin.error_events (twin, event_id);
CREATE INDEX error_events_by_age ON twin.error_events (twin, seq);

CREATE TABLE twin.circuits (
    twin     text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    version  bigint NOT NULL,
    state    text NOT NULL,
    PRIMARY KEY (twin, name)
);

-- Rows that were found damaged, so that each is reported once. `item` is a letter's seq, and of a record
-- ["collection", "device_id", "id"].
CREATE TABLE twin.damage (
    twin         text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL, -- record, letter
    item         text COLLATE "C" NOT NULL,
    found_at_us  bigint NOT NULL,
    PRIMARY KEY (twin, kind, item)
);

-- Written to see whether it can be.
CREATE TABLE twin.health (
    twin           text COLLATE "C" PRIMARY KEY,
    checked_at_us  bigint NOT NULL
) WITH (fillfactor = 50);
