-- Kinds of jobs that no server begins until they are resumed.
CREATE TABLE paused_kinds (
    kind      TEXT   PRIMARY KEY,
    paused_by TEXT   NOT NULL,
    paused_at BIGINT NOT NULL
);

-- down
DROP TABLE paused_kinds;
