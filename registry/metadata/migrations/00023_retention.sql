-- When each manifest was last pulled, as far as it is known; at most a minute late.
CREATE TABLE manifest_pulls (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    pulled_at     BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest),
    FOREIGN KEY (repository_id, digest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE
);
INSERT INTO manifest_pulls (repository_id, digest, pulled_at)
    SELECT x.repository_id, x.digest, MAX(x.at) FROM (
        SELECT m.repository_id, m.digest, a.at FROM manifests m JOIN repositories r ON r.id = m.repository_id
            JOIN activity a ON a.object = r.name || '@' || m.digest WHERE a.action = 'manifest.pull'
        UNION ALL SELECT t.repository_id, t.digest, a.at FROM tags t JOIN repositories r ON r.id = t.repository_id
            JOIN activity a ON a.object = r.name || ':' || t.name WHERE a.action = 'manifest.pull'
    ) x GROUP BY x.repository_id, x.digest;

-- What of a project is kept when old artifacts are removed.
CREATE TABLE retention_rules (
    id           BIGINT PRIMARY KEY,
    project_id   BIGINT NOT NULL REFERENCES projects (id),
    rule         TEXT   NOT NULL, -- JSON
    created_by   TEXT   NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL
);
CREATE INDEX retention_rules_project ON retention_rules (project_id, id);

-- down
DROP TABLE retention_rules;
DROP TABLE manifest_pulls;
