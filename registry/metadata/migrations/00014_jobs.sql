-- Work apart from requests. due_at is when a waiting job begins; of one that runs,
-- when the lease of its server ends. ended_at is 0 until it has ended. Of a job that
-- is alone no other of its kind and subject is there before it has ended.
CREATE TABLE jobs (
    id         BIGINT PRIMARY KEY,
    kind       TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    project    TEXT   NOT NULL DEFAULT '',
    args       TEXT   NOT NULL DEFAULT 'null', -- JSON
    created_by TEXT   NOT NULL DEFAULT '',
    alone      BIGINT NOT NULL DEFAULT 0,
    state      TEXT   NOT NULL,
    stop       BIGINT NOT NULL DEFAULT 0,
    attempts   BIGINT NOT NULL DEFAULT 0,
    note       TEXT   NOT NULL DEFAULT '',
    error      TEXT   NOT NULL DEFAULT '',
    runner     TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    started_at BIGINT NOT NULL DEFAULT 0,
    ended_at   BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX jobs_alone ON jobs (kind, subject) WHERE alone = 1 AND ended_at = 0;
CREATE INDEX jobs_due ON jobs (due_at) WHERE ended_at = 0;
CREATE INDEX jobs_due_of_kind ON jobs (kind, due_at) WHERE ended_at = 0;
CREATE INDEX jobs_unfinished ON jobs (kind, subject) WHERE ended_at = 0;
CREATE INDEX jobs_runner ON jobs (runner) WHERE ended_at = 0;
CREATE INDEX jobs_ended ON jobs (kind, ended_at);
CREATE INDEX jobs_of_kind ON jobs (kind, subject, id);
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_project ON jobs (project, id);

CREATE TABLE schedules (
    kind       TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    project    TEXT   NOT NULL DEFAULT '',
    created_by TEXT   NOT NULL DEFAULT '',
    cron       TEXT   NOT NULL,
    zone       TEXT   NOT NULL DEFAULT '',
    args       TEXT   NOT NULL DEFAULT 'null', -- JSON
    next_at    BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX schedules_next ON schedules (next_at);
-- down
DROP TABLE schedules;
DROP TABLE jobs;
