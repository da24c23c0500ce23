-- By what the source of an account knows it: unlike its name it never changes, and
-- is never given to another.
ALTER TABLE users ADD COLUMN subject TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX users_subject ON users (source, subject) WHERE subject <> '';

-- down
DROP INDEX users_subject;
ALTER TABLE users DROP COLUMN subject;
