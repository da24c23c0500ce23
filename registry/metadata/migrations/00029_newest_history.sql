-- Pages list the history of a repository's tags by time, and count images by what they are.
CREATE INDEX tag_history_newest ON tag_history (repository_id, id);
CREATE INDEX manifests_type ON manifests (artifact_type, digest);

-- down
DROP INDEX manifests_type;
DROP INDEX tag_history_newest;
