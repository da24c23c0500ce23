-- How many uploads an account has open is asked when it begins another.
CREATE INDEX uploads_of ON uploads (started_by);

-- down
DROP INDEX uploads_of;
