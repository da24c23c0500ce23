-- The version of what read the layers of an artifact: those that a lesser one read are scanned again by the nightly work.
ALTER TABLE scan_artifacts ADD COLUMN reader BIGINT NOT NULL DEFAULT 1;

-- down
ALTER TABLE scan_artifacts DROP COLUMN reader;
