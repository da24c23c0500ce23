-- The registry's meaning of its bytes. One schema for SQLite and PostgreSQL:
-- ids are made by the program, times are BIGINT microseconds since 1970,
-- booleans are 0 or 1, and text that is listed in order is marked /*bytewise*/,
-- which becomes COLLATE "C" on PostgreSQL and is what SQLite does anyway.

CREATE TABLE projects (
    id         BIGINT PRIMARY KEY,
    name       TEXT /*bytewise*/ NOT NULL UNIQUE,
    public     BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL DEFAULT ''
);

CREATE TABLE repositories (
    id         BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    name       TEXT /*bytewise*/ NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE INDEX repositories_project ON repositories (project_id, name);

-- Every stored digest, blob or manifest. deleting is set by GC, in the
-- transaction that saw nothing refer to the digest, before its bytes go.
CREATE TABLE blobs (
    digest     TEXT PRIMARY KEY,
    size       BIGINT NOT NULL,
    deleting   BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

-- A blob is a member of a repository. Until leased_until it stays although no
-- manifest refers to it yet.
CREATE TABLE repository_blobs (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    digest        TEXT   NOT NULL REFERENCES blobs (digest),
    leased_until  BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX repository_blobs_digest ON repository_blobs (digest);

CREATE TABLE manifests (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    digest        TEXT   NOT NULL REFERENCES blobs (digest),
    media_type    TEXT   NOT NULL,
    size          BIGINT NOT NULL,
    artifact_type TEXT   NOT NULL DEFAULT '',
    subject       TEXT   NOT NULL DEFAULT '',
    annotations   TEXT   NOT NULL DEFAULT '',
    pushed_at     BIGINT NOT NULL,
    pushed_by     TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX manifests_digest ON manifests (digest);
CREATE INDEX manifests_subject ON manifests (repository_id, subject, digest) WHERE subject <> '';

-- What a manifest needs: blobs, or (is_manifest) the children of an index.
CREATE TABLE manifest_refs (
    repository_id BIGINT NOT NULL,
    manifest      TEXT   NOT NULL,
    digest        TEXT   NOT NULL REFERENCES blobs (digest),
    is_manifest   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (repository_id, manifest, digest),
    FOREIGN KEY (repository_id, manifest) REFERENCES manifests (repository_id, digest)
);
CREATE INDEX manifest_refs_in_repository ON manifest_refs (repository_id, digest);
CREATE INDEX manifest_refs_digest ON manifest_refs (digest);

CREATE TABLE tags (
    repository_id BIGINT NOT NULL,
    name          TEXT /*bytewise*/ NOT NULL,
    digest        TEXT   NOT NULL,
    updated_at    BIGINT NOT NULL,
    updated_by    TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (repository_id, name),
    FOREIGN KEY (repository_id, digest) REFERENCES manifests (repository_id, digest)
);
CREATE INDEX tags_manifest ON tags (repository_id, digest);

CREATE TABLE tag_history (
    id            BIGINT PRIMARY KEY,
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    name          TEXT   NOT NULL,
    digest        TEXT   NOT NULL, -- '' when the tag was removed
    previous      TEXT   NOT NULL,
    actor         TEXT   NOT NULL,
    at            BIGINT NOT NULL
);
CREATE INDEX tag_history_tag ON tag_history (repository_id, name, id);

CREATE TABLE uploads (
    id            TEXT PRIMARY KEY,
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    started_by    TEXT   NOT NULL DEFAULT '',
    expires_at    BIGINT NOT NULL
);
CREATE INDEX uploads_expiry ON uploads (expires_at);

-- What GC looks at once due_at has passed: a blob's membership in a repository,
-- or, with repository_id 0, the stored bytes of a digest.
CREATE TABLE gc_queue (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    due_at        BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX gc_queue_due ON gc_queue (due_at);

CREATE TABLE users (
    id            BIGINT PRIMARY KEY,
    name          TEXT /*bytewise*/ NOT NULL UNIQUE,
    password_hash TEXT   NOT NULL,
    admin         BIGINT NOT NULL DEFAULT 0,
    epoch         BIGINT NOT NULL DEFAULT 1, -- grows when what was issued must stop working
    created_at    BIGINT NOT NULL
);

CREATE TABLE members (
    project_id BIGINT NOT NULL REFERENCES projects (id),
    user_id    BIGINT NOT NULL REFERENCES users (id),
    role       BIGINT NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

-- Public halves of the token signing keys, so that every replica verifies what
-- another one signed. The private halves are files of the root.
CREATE TABLE token_keys (
    id         TEXT PRIMARY KEY,
    public_key TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE audit (
    id     BIGINT PRIMARY KEY,
    at     BIGINT NOT NULL,
    actor  TEXT   NOT NULL,
    action TEXT   NOT NULL,
    object TEXT   NOT NULL,
    detail TEXT   NOT NULL DEFAULT ''
);
CREATE INDEX audit_at ON audit (at);
