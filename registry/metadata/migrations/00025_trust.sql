-- What rules that trust tokens of others ask of them. Each rule is an account of the
-- kind trust, whose rights are memberships.
CREATE TABLE trust_rules (
    user_id  BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    issuer   TEXT /*bytewise*/ NOT NULL,
    audience TEXT NOT NULL,
    claims   TEXT NOT NULL, -- JSON: by name of the claim, globs of which one must match
    ca       TEXT NOT NULL DEFAULT '', -- PEM; '': the system's authorities
    key_set  TEXT NOT NULL DEFAULT '' -- a JSON Web Key Set; '': the issuer is asked
);
CREATE INDEX trust_rules_issuer ON trust_rules (issuer);

-- down
DROP TABLE trust_rules;
DELETE FROM memberships WHERE user_id IN (SELECT id FROM users WHERE kind = 'trust');
DELETE FROM users WHERE kind = 'trust';
