-- What pushes, pulls, scans and people would have written by the time there are :n artifacts. Statements end with a
-- semicolon at the end of a line; :n is the number of artifacts, :p that of projects, :r that of repositories, :at the
-- time of the first one in microseconds, :id the smallest id of that time.
SET auto_explain.log_min_duration = -1;
SET session_replication_role = replica; -- nothing checks references while it is written
SET synchronous_commit = off;
SET work_mem = '256MB';
INSERT INTO projects (id, name, public, created_at, sparse, number)
    SELECT 1000000 + i, 'p' || i, i % 2, :at, 0, 100000 + i FROM generate_series(0, :p - 1) i;
INSERT INTO repositories (id, project_id, name, created_at)
    SELECT 2000000 + i, 1000000 + i % :p, 'p' || (i % :p) || '/app' || i, :at FROM generate_series(0, :r - 1) i;
-- Every tenth artifact is in one repository; every twentieth is a list of software of one of its neighbours.
CREATE TEMPORARY TABLE made AS
    SELECT k, CASE k % 10 WHEN 0 THEN 2000000 ELSE 2000000 + k % :r END AS repository,
        'sha256:' || encode(sha256(('m' || k)::bytea), 'hex') AS manifest,
        'sha256:' || encode(sha256(('c' || k)::bytea), 'hex') AS config,
        'sha256:' || encode(sha256(('l' || (k / 5))::bytea), 'hex') AS layer,
        CASE WHEN k % 20 = 1 AND k > :r THEN 'sha256:' || encode(sha256(('m' || (k - :r))::bytea), 'hex') ELSE '' END AS subject
    FROM generate_series(1, CAST(:n AS bigint)) k;
INSERT INTO blobs (digest, size, created_at) SELECT manifest, 700, :at FROM made;
INSERT INTO blobs (digest, size, created_at) SELECT config, 2000, :at FROM made;
INSERT INTO blobs (digest, size, created_at) SELECT DISTINCT layer, 1000000, :at FROM made;
INSERT INTO repository_blobs (repository_id, digest, leased_until)
    SELECT repository, config, :at FROM made UNION SELECT repository, layer, :at FROM made;
INSERT INTO manifests (repository_id, digest, media_type, size, artifact_type, subject, annotations, pushed_at, pushed_by)
    SELECT repository, manifest, 'application/vnd.oci.image.manifest.v1+json', 700,
        CASE subject WHEN '' THEN 'application/vnd.oci.image.config.v1+json' ELSE 'application/vnd.example.sbom' END, subject, '',
        :at + k * 1000000, 'user' || (k % 5000) FROM made;
INSERT INTO manifest_refs (repository_id, manifest, digest, is_manifest)
    SELECT repository, manifest, config, 0 FROM made UNION ALL SELECT repository, manifest, layer, 0 FROM made;
INSERT INTO tags (repository_id, name, digest, updated_at, updated_by)
    SELECT repository, 'v' || k, manifest, :at + k * 1000000, 'user' || (k % 5000) FROM made WHERE subject = '';
INSERT INTO tag_history (id, repository_id, name, digest, previous, actor, at)
    SELECT :id + (k * 1000000 << 11), repository, 'v' || k, manifest, '', 'user' || (k % 5000), :at + k * 1000000
    FROM made WHERE subject = '';
INSERT INTO manifest_pulls (repository_id, digest, pulled_at, pulled_by)
    SELECT repository, manifest, :at + k * 1000000, 'user' || (k % 5000) FROM made WHERE k % 2 = 0;
INSERT INTO deleted_manifests (repository_id, digest, media_type, size, tags, deleted_at, deleted_by)
    SELECT repository, 'sha256:' || encode(sha256(('d' || k)::bytea), 'hex'), 'application/vnd.oci.image.manifest.v1+json', 700,
        'old' || k, :at + k * 1000000, 'admin' FROM made WHERE k % 5 = 0;
INSERT INTO gc_queue (repository_id, digest, due_at) SELECT repository, config, :at + 1000000000000000 FROM made WHERE k % 50 = 0;
INSERT INTO uploads (id, repository_id, started_by, expires_at)
    SELECT 'upload-' || k, repository, 'user' || (k % 5000), :at + 1000000000000000 FROM made WHERE k % 100 = 0;
-- What each project and repository holds, as pushes count it.
INSERT INTO project_blobs (project_id, digest, size, members, needs, counted)
    SELECT x.project_id, x.digest, b.size, SUM(x.members), SUM(x.needs), CASE WHEN SUM(x.needs) > 0 THEN 1 ELSE 0 END
    FROM (
        SELECT r.project_id, c.digest, 1 AS members, 0 AS needs FROM repositories r JOIN repository_blobs c ON c.repository_id = r.id
        UNION ALL SELECT r.project_id, m.digest, 0, 1 FROM repositories r JOIN manifests m ON m.repository_id = r.id
        UNION ALL SELECT r.project_id, f.digest, 0, 1 FROM repositories r JOIN manifest_refs f ON f.repository_id = r.id
    ) x JOIN blobs b ON b.digest = x.digest GROUP BY x.project_id, x.digest, b.size;
INSERT INTO project_usage (project_id, used, waiting)
    SELECT project_id, SUM(size), 0 FROM project_blobs GROUP BY project_id;
CREATE TEMPORARY TABLE held AS
    SELECT r.id, r.project_id, h.digest FROM (SELECT repository_id, digest FROM repository_blobs
        UNION SELECT repository_id, digest FROM manifests) h JOIN repositories r ON r.id = h.repository_id;
INSERT INTO digest_holders (project_id, digest, size, repositories, who)
    SELECT x.project_id, x.digest, b.size, x.n, x.who FROM (
        SELECT project_id, digest, COUNT(*) AS n, SUM(id) AS who FROM held GROUP BY project_id, digest
        UNION ALL SELECT 0, digest, COUNT(*), SUM(id) FROM held GROUP BY digest) x JOIN blobs b ON b.digest = x.digest;
INSERT INTO repository_usage (repository_id, project_id, held, alone, counted)
    SELECT h.id, h.project_id, SUM(a.size), SUM(CASE a.repositories WHEN 1 THEN a.size ELSE 0 END),
        SUM(CASE p.repositories WHEN 1 THEN a.size ELSE 0 END)
    FROM held h JOIN digest_holders a ON a.project_id = 0 AND a.digest = h.digest
        JOIN digest_holders p ON p.project_id = h.project_id AND p.digest = h.digest GROUP BY h.id, h.project_id;
-- People, what they may, and what they did.
INSERT INTO users (id, name, password_hash, created_at, kind, project_id)
    SELECT 3000000 + i, 'user' || i, 'none', :at, CASE i % 10 WHEN 0 THEN 'robot' ELSE 'user' END,
        CASE i % 10 WHEN 0 THEN 1000000 + i % :p ELSE 0 END FROM generate_series(0, :n / 20) i;
INSERT INTO memberships (project_id, user_id, role, listed)
    SELECT 1000000 + i % :p, 3000000 + i, 'developer', CASE i % 10 WHEN 0 THEN '' ELSE 'user' || i || ' *' END
    FROM generate_series(0, :n / 20) i;
INSERT INTO user_groups (id, name, created_at) SELECT 4000000 + i, 'group' || i, :at FROM generate_series(0, 999) i;
INSERT INTO group_users (group_id, user_id) SELECT 4000000 + i % 1000, 3000000 + i FROM generate_series(0, :n / 20) i;
INSERT INTO memberships (project_id, group_id, role, listed)
    SELECT 1000000 + i % :p, 4000000 + i, 'guest', 'group' || i || ' *' FROM generate_series(0, 999) i;
INSERT INTO sessions (id, user_id, epoch, address, agent, created_at, seen_at, expires_at)
    SELECT 'session' || i, 3000000 + i, 1, '192.0.2.1', 'a browser', :at, :at, :at + 1000000000000000 FROM generate_series(0, :n / 20) i;
INSERT INTO access_tokens (id, user_id, name, hash, rights, created_at)
    SELECT 5000000 + i, 3000000 + i, 'token', 'hash' || i, 'pull', :at FROM generate_series(0, :n / 20) i;
INSERT INTO audit (id, at, actor, action, object)
    SELECT :id + (k * 1000000 << 11), :at + k * 1000000, 'user' || (k % 5000),
        CASE k % 4 WHEN 0 THEN 'manifest.push' WHEN 1 THEN 'tag.delete' WHEN 2 THEN 'user.login' ELSE 'manifest.delete' END,
        'p' || (k % :p) || '/app' || (k % :r) || ':v' || k FROM made;
INSERT INTO activity (id, at, actor, action, object)
    SELECT :id + (k * 1000000 << 11), :at + k * 1000000, 'user' || (k % 5000), 'manifest.pull',
        'p' || (k % :p) || '/app' || (k % :r) || ':v' || k FROM made;
INSERT INTO labels (id, project_id, name, created_at, changed_at)
    SELECT 6000000 + i, CASE WHEN i < 20 THEN 0 ELSE 1000000 + i % :p END, 'label' || i, :at, :at FROM generate_series(0, 999) i;
INSERT INTO artifact_labels (repository_id, digest, label_id)
    SELECT repository, manifest, 6000000 + k / 10 % 1000 FROM made WHERE k % 10 = 3;
INSERT INTO jobs (id, kind, subject, state, created_at, due_at, started_at, ended_at)
    SELECT :id + (k * 1000000 << 11), 'scan', manifest, CASE k % 50 WHEN 0 THEN 'failed' ELSE 'done' END, :at + k * 1000000,
        :at + k * 1000000, :at + k * 1000000, :at + k * 1000000 FROM made WHERE k % 4 = 0;
-- What scans found.
INSERT INTO scan_images (digest, state, worst)
    SELECT manifest, CASE k % 50 WHEN 0 THEN '' ELSE 'scanned' END, k % 6 FROM made WHERE subject = '';
INSERT INTO scan_artifacts (digest, state, packages, worst, critical, high, medium, low, scanned_at)
    SELECT digest, 'scanned', 200, worst, CASE worst WHEN 5 THEN 3 ELSE 0 END, worst, 7, 3, :at FROM scan_images WHERE state = 'scanned';
INSERT INTO scan_artifact_packages (digest, ids) SELECT digest, 'AAAAAAAAAAE=' FROM scan_artifacts;
INSERT INTO scan_listed (repository_id, digest, project_id, critical, high, medium)
    SELECT r.id, a.digest, r.project_id, a.critical, a.high, a.medium
    FROM scan_artifacts a JOIN manifests m ON m.digest = a.digest JOIN repositories r ON r.id = m.repository_id;
INSERT INTO scan_packages (id, ecosystem, type, name, version, source, source_version, seen_at)
    SELECT i, 'npm', 'npm', 'package-' || i, '1.0', '', '', :at FROM generate_series(1, :n / 20) i;
INSERT INTO scan_findings (package_id, vulnerability, severity)
    SELECT i, 'CVE-2026-' || ((i * 7) % 20000), i % 6 FROM generate_series(1, :n / 20) i;
INSERT INTO scan_known (vulnerability, severity) SELECT vulnerability, MAX(severity) FROM scan_findings GROUP BY vulnerability;
DROP TABLE made;
DROP TABLE held;
ANALYZE;
