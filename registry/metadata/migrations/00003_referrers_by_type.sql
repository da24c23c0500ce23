-- Referrers are asked for by type, in pages.
CREATE INDEX manifests_subject_type ON manifests (repository_id, subject, artifact_type, digest) WHERE subject <> '';

-- down
DROP INDEX manifests_subject_type;
