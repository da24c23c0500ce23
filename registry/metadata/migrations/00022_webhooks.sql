-- Where a project tells others of what happens in it.
CREATE TABLE webhooks (
    id          BIGINT PRIMARY KEY,
    project_id  BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name        TEXT   NOT NULL,
    enabled     BIGINT NOT NULL DEFAULT 1,
    url         TEXT   NOT NULL,
    format      TEXT   NOT NULL,
    events      TEXT   NOT NULL, -- a space before, between and behind them
    auth_header TEXT   NOT NULL DEFAULT '', -- sealed
    secret      TEXT   NOT NULL DEFAULT '', -- sealed
    skip_verify BIGINT NOT NULL DEFAULT 0,  -- takes a certificate that nobody vouches for
    lost        BIGINT NOT NULL DEFAULT 0,  -- events, while too many waited
    created_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL DEFAULT '',
    changed_at  BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

-- The newest attempts to deliver of each webhook.
CREATE TABLE webhook_attempts (
    id         BIGINT PRIMARY KEY,
    webhook_id BIGINT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    delivery   BIGINT NOT NULL, -- the job
    event      TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    took       BIGINT NOT NULL, -- microseconds
    status     BIGINT NOT NULL, -- of HTTP; 0: no answer came
    error      TEXT   NOT NULL DEFAULT ''
);
CREATE INDEX webhook_attempts_newest ON webhook_attempts (webhook_id, id);
-- down
DROP TABLE webhook_attempts;
DROP TABLE webhooks;
