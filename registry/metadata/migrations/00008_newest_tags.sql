-- Pages list the tags of a repository by time.
CREATE INDEX tags_newest ON tags (repository_id, updated_at, name);

-- down
DROP INDEX tags_newest;
