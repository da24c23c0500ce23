-- Until when no stored bytes are collected, because somebody reads them all.
CREATE TABLE holds (
    one        BIGINT PRIMARY KEY, -- 1: there is a single row
    held_until BIGINT NOT NULL
);
INSERT INTO holds (one, held_until) VALUES (1, 0);

-- down
DROP TABLE holds;
