-- Bytes that a read found damaged are said not to be there, until a push brings
-- them again or a check finds them right.
ALTER TABLE blobs ADD COLUMN damaged BIGINT NOT NULL DEFAULT 0;

-- Which registry this is the database of: the same word lies beside the bytes,
-- so that neither is ever used with the other's of another registry.
CREATE TABLE identity (
    one BIGINT PRIMARY KEY, -- 1: there is a single row
    id  TEXT NOT NULL
);

-- down
DROP TABLE identity;
ALTER TABLE blobs DROP COLUMN damaged;
