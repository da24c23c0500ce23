-- The images that the registry has, each once, with what came of their scans ('': none
-- yet): counted for the overview by an index of a few pages.
CREATE TABLE scan_images (
    digest TEXT PRIMARY KEY,
    state  TEXT   NOT NULL,
    worst  BIGINT NOT NULL
);
CREATE INDEX scan_images_state ON scan_images (state, worst);
INSERT INTO scan_images (digest, state, worst)
    SELECT DISTINCT m.digest, COALESCE(a.state, ''), COALESCE(a.worst, 0)
    FROM manifests m LEFT JOIN scan_artifacts a ON a.digest = m.digest
    WHERE m.artifact_type IN ('application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json');

-- The images that were scanned, in each repository that has them: what the list of a
-- project's worst ones is in the order of.
CREATE TABLE scan_listed (
    repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest        TEXT   NOT NULL,
    project_id    BIGINT NOT NULL,
    critical      BIGINT NOT NULL,
    high          BIGINT NOT NULL,
    medium        BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX scan_listed_order ON scan_listed (project_id, critical, high, medium, digest);
INSERT INTO scan_listed (repository_id, digest, project_id, critical, high, medium)
    SELECT r.id, a.digest, r.project_id, a.critical, a.high, a.medium
    FROM scan_artifacts a JOIN manifests m ON m.digest = a.digest JOIN repositories r ON r.id = m.repository_id;

-- The vulnerabilities that any package has, each once, with the worst that is said of it.
CREATE TABLE scan_known (
    vulnerability TEXT PRIMARY KEY,
    severity      BIGINT NOT NULL
);
CREATE INDEX scan_known_severity ON scan_known (severity);
INSERT INTO scan_known (vulnerability, severity)
    SELECT vulnerability, MAX(severity) FROM scan_findings GROUP BY vulnerability;

-- down
DROP TABLE scan_known;
DROP TABLE scan_listed;
DROP TABLE scan_images;
