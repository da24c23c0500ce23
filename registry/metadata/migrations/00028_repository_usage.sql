-- How many repositories have a digest, as blob or manifest: of one project, or, with
-- project 0, of all. who is the sum of their ids, of which 62 bits are kept: of a single
-- repository it is the id. So whoever makes a digest shared, or leaves it to another
-- alone, knows whose sum that changes without looking through all that have it.
CREATE TABLE digest_holders (
    project_id   BIGINT NOT NULL,
    digest       TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    repositories BIGINT NOT NULL,
    who          BIGINT NOT NULL,
    PRIMARY KEY (project_id, digest)
);

-- What each repository holds, in bytes: in all, what no other repository of the registry
-- has, and what no other of its project has.
CREATE TABLE repository_usage (
    repository_id BIGINT PRIMARY KEY REFERENCES repositories (id),
    project_id    BIGINT NOT NULL,
    held          BIGINT NOT NULL,
    alone         BIGINT NOT NULL,
    counted       BIGINT NOT NULL
);
CREATE INDEX repository_usage_largest ON repository_usage (project_id, held, repository_id);

INSERT INTO digest_holders (project_id, digest, size, repositories, who)
    SELECT x.project_id, x.digest, b.size, x.repositories,
        (((x.high & 1073741823) << 32) + x.low) & 4611686018427387903
    FROM (
        SELECT r.project_id, h.digest, COUNT(*) AS repositories, CAST(SUM(r.id >> 32) AS BIGINT) AS high,
            CAST(SUM(r.id & 4294967295) AS BIGINT) AS low
        FROM (SELECT repository_id, digest FROM repository_blobs UNION SELECT repository_id, digest FROM manifests) AS h
            JOIN repositories r ON r.id = h.repository_id GROUP BY r.project_id, h.digest
        UNION ALL SELECT 0, h.digest, COUNT(*), CAST(SUM(h.repository_id >> 32) AS BIGINT),
            CAST(SUM(h.repository_id & 4294967295) AS BIGINT)
        FROM (SELECT repository_id, digest FROM repository_blobs UNION SELECT repository_id, digest FROM manifests) AS h
            GROUP BY h.digest
    ) AS x JOIN blobs b ON b.digest = x.digest;
INSERT INTO repository_usage (repository_id, project_id, held, alone, counted)
    SELECT r.id, r.project_id, SUM(a.size), SUM(CASE WHEN a.repositories = 1 THEN a.size ELSE 0 END),
        SUM(CASE WHEN p.repositories = 1 THEN a.size ELSE 0 END)
    FROM (SELECT repository_id, digest FROM repository_blobs UNION SELECT repository_id, digest FROM manifests) AS h
        JOIN repositories r ON r.id = h.repository_id
        JOIN digest_holders a ON a.project_id = 0 AND a.digest = h.digest
        JOIN digest_holders p ON p.project_id = r.project_id AND p.digest = h.digest
    GROUP BY r.id, r.project_id;

-- down
DROP TABLE repository_usage;
DROP TABLE digest_holders;
