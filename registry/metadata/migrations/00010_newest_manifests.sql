-- Pages list the artifacts of a repository by time.
CREATE INDEX manifests_newest ON manifests (repository_id, pushed_at);

-- down
DROP INDEX manifests_newest;
