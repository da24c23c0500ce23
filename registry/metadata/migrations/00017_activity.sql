-- What changed nothing: pulls, sign-ins and refusals of them. The audit log is this
-- together with the table of that name, whose ids grow by the same clock.
CREATE TABLE activity (
    id      BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    object  TEXT   NOT NULL,
    address TEXT   NOT NULL DEFAULT ''
);
CREATE INDEX activity_at ON activity (at);
CREATE INDEX activity_actor ON activity (actor, id);
CREATE INDEX activity_action ON activity (action, id);
CREATE INDEX activity_object ON activity (object, id);

-- down
DROP TABLE activity;
