-- Manifests that were deleted, until the collector takes their bytes: what is needed
-- to have them back.
CREATE TABLE deleted_manifests (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    digest        TEXT   NOT NULL,
    media_type    TEXT   NOT NULL,
    size          BIGINT NOT NULL,
    tags          TEXT   NOT NULL DEFAULT '', -- that it had, with a space between two
    deleted_at    BIGINT NOT NULL,
    deleted_by    TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX deleted_manifests_digest ON deleted_manifests (digest);
CREATE INDEX deleted_manifests_newest ON deleted_manifests (repository_id, deleted_at);

-- Tags that match stay where they are.
CREATE TABLE immutable_rules (
    id           BIGINT PRIMARY KEY,
    project_id   BIGINT NOT NULL REFERENCES projects (id),
    selector     TEXT   NOT NULL, -- JSON
    created_by   TEXT   NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL
);
CREATE INDEX immutable_rules_project ON immutable_rules (project_id, id);

-- down
DROP TABLE immutable_rules;
DROP TABLE deleted_manifests;
