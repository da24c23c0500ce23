-- How far a write of bytes has come, for a storage that does not keep it beside
-- them. version grows with every change, so that who lost the write to another
-- process changes nothing.
CREATE TABLE writes (
    id       TEXT /*bytewise*/ PRIMARY KEY,
    state    TEXT   NOT NULL,
    version  BIGINT NOT NULL,
    saved_at BIGINT NOT NULL
);

-- down
DROP TABLE writes;
