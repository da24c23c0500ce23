-- Who pulled a manifest last, '' for somebody who was not signed in, or before this.
ALTER TABLE manifest_pulls ADD COLUMN pulled_by TEXT NOT NULL DEFAULT '';

-- down
ALTER TABLE manifest_pulls DROP COLUMN pulled_by;
