-- What a manifest needs and its repository does not have yet, where that is
-- allowed: it becomes a row of manifest_refs when it comes.
CREATE TABLE manifest_wants (
    repository_id BIGINT NOT NULL,
    manifest      TEXT   NOT NULL,
    digest        TEXT   NOT NULL,
    is_manifest   BIGINT NOT NULL,
    PRIMARY KEY (repository_id, manifest, digest),
    FOREIGN KEY (repository_id, manifest) REFERENCES manifests (repository_id, digest)
);
CREATE INDEX manifest_wants_digest ON manifest_wants (repository_id, digest);

-- An index may be pushed to the project without all of its manifests.
ALTER TABLE projects ADD COLUMN sparse BIGINT NOT NULL DEFAULT 0;

-- Projects that show what another registry has, and keep what was asked for.
CREATE TABLE proxies (
    project_id   BIGINT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    host         TEXT   NOT NULL,
    prefix       TEXT   NOT NULL DEFAULT '', -- of repositories there
    plain        BIGINT NOT NULL DEFAULT 0,  -- without TLS, or with a certificate nobody vouches for
    user_name    TEXT   NOT NULL DEFAULT '',
    secret       TEXT   NOT NULL DEFAULT '', -- sealed
    repositories TEXT   NOT NULL DEFAULT '*', -- globs, with a space between two
    fresh_for    BIGINT NOT NULL, -- microseconds until a tag is asked for again
    keep_for     BIGINT NOT NULL DEFAULT 0, -- microseconds after its last pull; 0: for ever
    rate         BIGINT NOT NULL DEFAULT 0, -- bytes a second; 0: no limit
    connections  BIGINT NOT NULL DEFAULT 0, -- blobs at once; 0: the standard
    created_at   BIGINT NOT NULL
);

-- What was pulled through a proxy: a tag, or a digest.
CREATE TABLE proxy_pulls (
    project_id BIGINT NOT NULL REFERENCES proxies (project_id) ON DELETE CASCADE,
    repository TEXT   NOT NULL,
    reference  TEXT   NOT NULL,
    checked_at BIGINT NOT NULL, -- when the upstream last said what it is
    pulled_at  BIGINT NOT NULL,
    PRIMARY KEY (project_id, repository, reference)
);
CREATE INDEX proxy_pulls_oldest ON proxy_pulls (project_id, pulled_at);

-- down
DROP TABLE proxy_pulls;
DROP TABLE proxies;
ALTER TABLE projects DROP COLUMN sparse;
DROP TABLE manifest_wants;
