-- Databases of vulnerabilities that were imported. One that is not active is being
-- read, or on its way out.
CREATE TABLE scan_sources (
    id              BIGINT PRIMARY KEY,
    name            TEXT /*bytewise*/ NOT NULL,
    form            TEXT   NOT NULL DEFAULT '',
    origin          TEXT   NOT NULL DEFAULT '', -- the file or reference it came from
    advisories      BIGINT NOT NULL DEFAULT 0,
    vulnerabilities BIGINT NOT NULL DEFAULT 0,
    active          BIGINT NOT NULL DEFAULT 0,
    imported_by     TEXT   NOT NULL DEFAULT '',
    imported_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX scan_sources_active ON scan_sources (name) WHERE active = 1;

-- Which versions of a package have a vulnerability.
CREATE TABLE scan_advisories (
    id            BIGINT PRIMARY KEY,
    source_id     BIGINT NOT NULL REFERENCES scan_sources (id),
    ecosystem     TEXT   NOT NULL,
    package       TEXT   NOT NULL,
    vulnerability TEXT   NOT NULL,
    severity      BIGINT NOT NULL,
    affected      TEXT   NOT NULL -- JSON
);
CREATE INDEX scan_advisories_package ON scan_advisories (ecosystem, package);
CREATE INDEX scan_advisories_source ON scan_advisories (source_id);

CREATE TABLE scan_vulnerabilities (
    id           TEXT   NOT NULL,
    source_id    BIGINT NOT NULL REFERENCES scan_sources (id),
    severity     BIGINT NOT NULL,
    score        BIGINT NOT NULL DEFAULT 0, -- of CVSS, in tenths
    title        TEXT   NOT NULL DEFAULT '',
    description  TEXT   NOT NULL DEFAULT '',
    links        TEXT   NOT NULL DEFAULT '', -- with a space between two
    published_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (id, source_id)
);
CREATE INDEX scan_vulnerabilities_source ON scan_vulnerabilities (source_id);

-- What layers say of packages, read once.
CREATE TABLE scan_layers (
    digest  TEXT PRIMARY KEY REFERENCES blobs (digest) ON DELETE CASCADE,
    reader  BIGINT NOT NULL, -- the version of what read it
    said    TEXT   NOT NULL, -- JSON, packed by zstd, in base64
    read_at BIGINT NOT NULL
);

-- Every package that an artifact has, once. Its id is made of the other columns.
CREATE TABLE scan_packages (
    id             BIGINT PRIMARY KEY,
    ecosystem      TEXT   NOT NULL,
    type           TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    version        TEXT   NOT NULL,
    source         TEXT   NOT NULL, -- by which advisories know it
    source_version TEXT   NOT NULL,
    seen_at        BIGINT NOT NULL -- when an artifact with it was last scanned
);

-- The vulnerabilities of those packages, by the databases that are active.
CREATE TABLE scan_findings (
    package_id    BIGINT NOT NULL REFERENCES scan_packages (id) ON DELETE CASCADE,
    vulnerability TEXT   NOT NULL,
    severity      BIGINT NOT NULL,
    fixed         TEXT   NOT NULL DEFAULT '',
    status        TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (package_id, vulnerability)
);
CREATE INDEX scan_findings_vulnerability ON scan_findings (vulnerability, package_id);

CREATE TABLE scan_artifacts (
    digest     TEXT PRIMARY KEY REFERENCES blobs (digest) ON DELETE CASCADE,
    state      TEXT   NOT NULL, -- scanned, failed
    note       TEXT   NOT NULL DEFAULT '', -- why it failed, or what was not read
    system     TEXT   NOT NULL DEFAULT '', -- as its os-release calls it
    packages   BIGINT NOT NULL DEFAULT 0,
    worst      BIGINT NOT NULL DEFAULT 0,
    critical   BIGINT NOT NULL DEFAULT 0,
    high       BIGINT NOT NULL DEFAULT 0,
    medium     BIGINT NOT NULL DEFAULT 0,
    low        BIGINT NOT NULL DEFAULT 0,
    negligible BIGINT NOT NULL DEFAULT 0,
    unknown    BIGINT NOT NULL DEFAULT 0,
    fixable    BIGINT NOT NULL DEFAULT 0,
    scanned_at BIGINT NOT NULL
);
CREATE INDEX scan_artifacts_order ON scan_artifacts (critical, high, medium, digest);
CREATE INDEX scan_artifacts_worst ON scan_artifacts (worst, state);

-- The packages of an artifact: ids of 8 bytes each, in order and in base64.
CREATE TABLE scan_artifact_packages (
    digest TEXT PRIMARY KEY REFERENCES blobs (digest) ON DELETE CASCADE,
    ids    TEXT NOT NULL
);

-- What a project wants of scans. Without a row: scans of what is pushed, no SBOM, no
-- gate.
CREATE TABLE scan_projects (
    project_id BIGINT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    on_push    BIGINT NOT NULL DEFAULT 1,
    sbom       TEXT   NOT NULL DEFAULT '', -- attached after a push: '', spdx, cyclonedx
    severity   BIGINT NOT NULL DEFAULT 0,  -- from which on nothing is pulled; 0: no gate
    unscanned  TEXT   NOT NULL DEFAULT '', -- what becomes of what is not scanned: allow, block
    changed_by TEXT   NOT NULL DEFAULT '',
    changed_at BIGINT NOT NULL
);

-- Vulnerabilities that are let through gates.
CREATE TABLE scan_allowed (
    project_id    BIGINT NOT NULL, -- 0: of all projects
    vulnerability TEXT /*bytewise*/ NOT NULL,
    expires_at    BIGINT NOT NULL DEFAULT 0, -- 0: never
    reason        TEXT   NOT NULL DEFAULT '',
    created_by    TEXT   NOT NULL DEFAULT '',
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (project_id, vulnerability)
);

-- down
DROP TABLE scan_allowed;
DROP TABLE scan_projects;
DROP TABLE scan_artifact_packages;
DROP TABLE scan_artifacts;
DROP TABLE scan_findings;
DROP TABLE scan_packages;
DROP TABLE scan_layers;
DROP TABLE scan_vulnerabilities;
DROP TABLE scan_advisories;
DROP TABLE scan_sources;
