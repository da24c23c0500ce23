-- Other registries that this one feeds, or is fed by.
CREATE TABLE endpoints (
    id         BIGINT PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    kind       TEXT   NOT NULL,
    host       TEXT   NOT NULL,
    plain      BIGINT NOT NULL DEFAULT 0, -- without TLS, or with a certificate nobody vouches for
    ca         TEXT   NOT NULL DEFAULT '', -- PEM
    user_name  TEXT   NOT NULL DEFAULT '',
    secret     TEXT   NOT NULL DEFAULT '', -- sealed
    created_by TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL
);

CREATE TABLE replication_rules (
    id          BIGINT PRIMARY KEY,
    name        TEXT   NOT NULL UNIQUE,
    endpoint_id BIGINT NOT NULL REFERENCES endpoints (id),
    settings    TEXT   NOT NULL, -- JSON
    on_event    BIGINT NOT NULL DEFAULT 0,
    enabled     BIGINT NOT NULL DEFAULT 1,
    created_by  TEXT   NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL
);
CREATE INDEX replication_rules_endpoint ON replication_rules (endpoint_id);
CREATE INDEX replication_rules_on_event ON replication_rules (id) WHERE on_event = 1 AND enabled = 1;

-- What happened and is still to be done by the rules that listen.
CREATE TABLE replication_pending (
    rule_id    BIGINT NOT NULL REFERENCES replication_rules (id) ON DELETE CASCADE,
    repository TEXT   NOT NULL,
    tag        TEXT   NOT NULL,
    deleted    BIGINT NOT NULL DEFAULT 0,
    at         BIGINT NOT NULL,
    PRIMARY KEY (rule_id, repository, tag)
);

-- A run has the id of the job that does it.
CREATE TABLE replication_runs (
    id         BIGINT PRIMARY KEY,
    rule_id    BIGINT NOT NULL REFERENCES replication_rules (id) ON DELETE CASCADE,
    cause      TEXT   NOT NULL,
    planned    BIGINT NOT NULL DEFAULT 0, -- its items are all there
    bytes      BIGINT NOT NULL DEFAULT 0, -- that were sent
    created_at BIGINT NOT NULL
);
CREATE INDEX replication_runs_rule ON replication_runs (rule_id, id);

-- One tag of one run.
CREATE TABLE replication_items (
    run_id     BIGINT NOT NULL REFERENCES replication_runs (id) ON DELETE CASCADE,
    repository TEXT   NOT NULL, -- at the source
    tag        TEXT   NOT NULL,
    target     TEXT   NOT NULL, -- the repository at the other side
    deleted    BIGINT NOT NULL DEFAULT 0, -- it goes there
    state      TEXT   NOT NULL,
    digest     TEXT   NOT NULL DEFAULT '',
    attempts   BIGINT NOT NULL DEFAULT 0,
    bytes      BIGINT NOT NULL DEFAULT 0,
    note       TEXT   NOT NULL DEFAULT '', -- why it failed, or was left
    ended_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, repository, tag)
);
CREATE INDEX replication_items_state ON replication_items (run_id, state, repository, tag);

-- What a rule has put where: nothing else is deleted there.
CREATE TABLE replication_copies (
    rule_id    BIGINT NOT NULL REFERENCES replication_rules (id) ON DELETE CASCADE,
    repository TEXT   NOT NULL,
    tag        TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    digest     TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (rule_id, repository, tag)
);

-- Unfinished uploads of large blobs at the target.
CREATE TABLE replication_uploads (
    rule_id    BIGINT NOT NULL REFERENCES replication_rules (id) ON DELETE CASCADE,
    repository TEXT   NOT NULL,
    digest     TEXT   NOT NULL,
    location   TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (rule_id, repository, digest)
);

-- down
DROP TABLE replication_uploads;
DROP TABLE replication_copies;
DROP TABLE replication_items;
DROP TABLE replication_runs;
DROP TABLE replication_pending;
DROP TABLE replication_rules;
DROP TABLE endpoints;
