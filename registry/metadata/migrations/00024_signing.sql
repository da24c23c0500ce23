-- Whether a project lets only signed images be pulled, and by whose keys.
CREATE TABLE signing_projects (
    project_id BIGINT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    required   BIGINT NOT NULL DEFAULT 0,
    changed_by TEXT   NOT NULL DEFAULT '',
    changed_at BIGINT NOT NULL
);
CREATE TABLE signing_keys (
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name       TEXT /*bytewise*/ NOT NULL,
    key_id     TEXT   NOT NULL, -- sha256:… of the key or certificate
    pem        TEXT   NOT NULL,
    created_by TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, name)
);
CREATE UNIQUE INDEX signing_keys_id ON signing_keys (project_id, key_id);

-- down
DROP TABLE signing_keys;
DROP TABLE signing_projects;
