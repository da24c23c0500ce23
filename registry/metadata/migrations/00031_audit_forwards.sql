-- How far each receiver of the audit log has come, and which server sends to it.
CREATE TABLE audit_forwards (
    receiver  TEXT   PRIMARY KEY,
    sent      BIGINT NOT NULL,            -- the id of the last line that it has
    lost      BIGINT NOT NULL DEFAULT 0,  -- lines that it never got, because they are not kept any more
    holder    TEXT   NOT NULL DEFAULT '',
    until     BIGINT NOT NULL DEFAULT 0,
    failed_at BIGINT NOT NULL DEFAULT 0,  -- when it did not take lines; 0 if it did, the last time
    error     TEXT   NOT NULL DEFAULT ''
);

-- down
DROP TABLE audit_forwards;
