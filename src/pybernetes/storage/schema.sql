-- One row for each write, newest value of a key = its row with the highest revision. Rows are only ever inserted;
-- compaction removes those that were replaced or deleted up to a revision.

CREATE TABLE log (
    revision        INTEGER PRIMARY KEY,    -- the write's place in the one global order
    key             TEXT    NOT NULL,
    value           BLOB    NOT NULL,       -- encoded JSON object; of a deletion: the last value
    create_revision INTEGER NOT NULL,       -- the write that made the key
    previous        INTEGER NOT NULL,       -- the key's write before this one, 0 for a creation
    deleted         INTEGER NOT NULL
) STRICT;

CREATE INDEX log_key ON log (key, revision);

CREATE TABLE compaction (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    revision INTEGER NOT NULL               -- history up to here is gone
) STRICT;

INSERT INTO compaction VALUES (1, 0);
