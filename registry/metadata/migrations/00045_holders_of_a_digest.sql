-- The manifests that need a digest, in their order: without the manifest in it, SQLite reads all that a repository has instead.
DROP INDEX manifest_refs_in_repository;
CREATE INDEX manifest_refs_in_repository ON manifest_refs (repository_id, digest, manifest);

-- down
DROP INDEX manifest_refs_in_repository;
CREATE INDEX manifest_refs_in_repository ON manifest_refs (repository_id, digest);
