-- The tags of an artifact by name: without the name in it, SQLite reads all tags of a repository in their order instead.
DROP INDEX tags_manifest;
CREATE INDEX tags_manifest ON tags (repository_id, digest, name);

-- down
DROP INDEX tags_manifest;
CREATE INDEX tags_manifest ON tags (repository_id, digest);
