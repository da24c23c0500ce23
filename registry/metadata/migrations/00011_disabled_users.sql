-- A disabled user keeps his name and memberships and may not sign in.
ALTER TABLE users ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0;
-- The audit log is asked for by who, what and of which object, the newest first.
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_action ON audit (action, id);
CREATE INDEX audit_object ON audit (object, id);

-- down
DROP INDEX audit_object;
DROP INDEX audit_action;
DROP INDEX audit_actor;
ALTER TABLE users DROP COLUMN disabled;
