-- What each project holds, each digest once however many of its repositories have
-- it, kept by the transactions that change it. members counts the repositories that
-- have it as a blob; needs the manifests that it is, and that need it. counted says
-- that it counts: what was pushed does, and, once no manifest needs it any more, only
-- waits for the collector.
CREATE TABLE project_blobs (
    project_id BIGINT NOT NULL REFERENCES projects (id),
    digest     TEXT   NOT NULL,
    size       BIGINT NOT NULL,
    members    BIGINT NOT NULL,
    needs      BIGINT NOT NULL,
    counted    BIGINT NOT NULL,
    counted_at BIGINT NOT NULL DEFAULT 0, -- when it last began to count
    PRIMARY KEY (project_id, digest)
);
CREATE INDEX project_blobs_digest ON project_blobs (digest);
CREATE INDEX project_blobs_size ON project_blobs (project_id, size);
CREATE INDEX project_blobs_unneeded ON project_blobs (project_id, digest) WHERE needs = 0;

-- Their sums, in bytes.
CREATE TABLE project_usage (
    project_id BIGINT PRIMARY KEY REFERENCES projects (id),
    used       BIGINT NOT NULL, -- of what counts
    waiting    BIGINT NOT NULL  -- of the others
);

-- How many bytes a project may use; -1 is no limit. That of project 0 is for those
-- without one of their own.
CREATE TABLE quotas (
    project_id BIGINT PRIMARY KEY,
    bytes      BIGINT NOT NULL
);

INSERT INTO project_blobs (project_id, digest, size, members, needs, counted)
    SELECT x.project_id, x.digest, b.size, SUM(x.members), SUM(x.needs), CASE WHEN SUM(x.needs) > 0 THEN 1 ELSE 0 END
    FROM (
        SELECT r.project_id, c.digest, 1 AS members, 0 AS needs
            FROM repositories r JOIN repository_blobs c ON c.repository_id = r.id
        UNION ALL SELECT r.project_id, m.digest, 0, 1
            FROM repositories r JOIN manifests m ON m.repository_id = r.id
        UNION ALL SELECT r.project_id, f.digest, 0, 1
            FROM repositories r JOIN manifest_refs f ON f.repository_id = r.id WHERE f.is_manifest = 0
    ) x JOIN blobs b ON b.digest = x.digest GROUP BY x.project_id, x.digest, b.size;
INSERT INTO project_usage (project_id, used, waiting)
    SELECT p.id, COALESCE(SUM(CASE WHEN b.counted = 1 THEN b.size END), 0),
        COALESCE(SUM(CASE WHEN b.counted = 0 THEN b.size END), 0)
    FROM projects p LEFT JOIN project_blobs b ON b.project_id = p.id GROUP BY p.id;

-- down
DROP TABLE quotas;
DROP TABLE project_usage;
DROP TABLE project_blobs;
