-- Scanners of others, by Harbor's API for them.
CREATE TABLE scanners (
    id         BIGINT PRIMARY KEY,
    name       TEXT /*bytewise*/ NOT NULL UNIQUE,
    url        TEXT   NOT NULL,
    auth       TEXT   NOT NULL DEFAULT '', -- '', basic, bearer, api-key
    secret     TEXT   NOT NULL DEFAULT '', -- sealed
    insecure   BIGINT NOT NULL DEFAULT 0, -- with a certificate nobody vouches for
    ca         TEXT   NOT NULL DEFAULT '', -- PEM
    registry   TEXT   NOT NULL DEFAULT '', -- by which address it reaches this registry; '' is the one of all
    standard   BIGINT NOT NULL DEFAULT 0, -- of projects that choose none
    again_days BIGINT NOT NULL DEFAULT 1, -- after how long an image is scanned again; 0 is never
    created_by TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX scanners_standard ON scanners (standard) WHERE standard = 1;

-- Accounts by which scanners pull one image each, while it is scanned.
CREATE TABLE scan_passes (
    user_id    BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    repository TEXT   NOT NULL,
    digest     TEXT   NOT NULL
);

-- The scanner that a project chose: '' is the standard one, 'built-in' that of the registry.
ALTER TABLE scan_projects ADD COLUMN scanner TEXT NOT NULL DEFAULT '';
-- The scanner that scanned an artifact: '' is that of the registry.
ALTER TABLE scan_artifacts ADD COLUMN scanner TEXT NOT NULL DEFAULT '';
CREATE INDEX scan_artifacts_scanner ON scan_artifacts (scanner, scanned_at) WHERE scanner <> '';
-- What the scanner says of a vulnerability that no database here describes.
ALTER TABLE scan_findings ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE scan_findings ADD COLUMN score BIGINT NOT NULL DEFAULT 0; -- in tenths
-- Packages that other scanners found are of one artifact each, and are not matched.
CREATE INDEX scan_packages_foreign ON scan_packages (source) WHERE ecosystem = 'scanner';

-- down
DROP INDEX scan_packages_foreign;
DELETE FROM scan_findings WHERE package_id IN (SELECT id FROM scan_packages WHERE ecosystem = 'scanner');
DELETE FROM scan_packages WHERE ecosystem = 'scanner';
DELETE FROM scan_artifact_packages WHERE digest IN (SELECT digest FROM scan_artifacts WHERE scanner <> '');
DELETE FROM scan_artifacts WHERE scanner <> '';
ALTER TABLE scan_findings DROP COLUMN score;
ALTER TABLE scan_findings DROP COLUMN title;
DROP INDEX scan_artifacts_scanner;
ALTER TABLE scan_artifacts DROP COLUMN scanner;
ALTER TABLE scan_projects DROP COLUMN scanner;
DROP TABLE scan_passes;
DROP TABLE scanners;
