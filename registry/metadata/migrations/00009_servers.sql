-- The servers of the registry that run, or were killed: a row of one that holds
-- nothing any more says that bytes may be stored which no row knows.
CREATE TABLE servers (
    id         TEXT PRIMARY KEY,
    started_at BIGINT NOT NULL
);

-- down
DROP TABLE servers;
