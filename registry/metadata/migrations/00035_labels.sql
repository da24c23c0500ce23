-- Labels that people put on artifacts, of one project or, with project_id 0, of all.
CREATE TABLE labels (
    id          BIGINT PRIMARY KEY,
    project_id  BIGINT NOT NULL DEFAULT 0,
    name        TEXT /*bytewise*/ NOT NULL,
    description TEXT   NOT NULL DEFAULT '',
    color       TEXT   NOT NULL DEFAULT '', -- as #0065ab
    created_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL DEFAULT '',
    changed_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX labels_name ON labels (project_id, name);

-- They stay with an artifact that was deleted for as long as it can be had back.
CREATE TABLE artifact_labels (
    repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest        TEXT   NOT NULL,
    label_id      BIGINT NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
    PRIMARY KEY (repository_id, digest, label_id)
);
CREATE INDEX artifact_labels_label ON artifact_labels (label_id, repository_id, digest);
CREATE INDEX artifact_labels_digest ON artifact_labels (digest);

-- down
DROP TABLE artifact_labels;
DROP TABLE labels;
