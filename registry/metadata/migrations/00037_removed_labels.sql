-- A label that was removed stays for a while, so that it can be had back with the artifacts
-- that had it. Its project is its own number below zero meanwhile, which is nobody's.
ALTER TABLE labels ADD COLUMN removed_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE labels ADD COLUMN removed_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX labels_removed ON labels (removed_at) WHERE removed_at > 0;

-- down
DELETE FROM labels WHERE removed_at > 0;
DROP INDEX labels_removed;
ALTER TABLE labels DROP COLUMN removed_at;
ALTER TABLE labels DROP COLUMN removed_from;
