-- Who is signed in to the pages. What the cookie holds is not here, only its
-- SHA-256, so that a stolen copy of the database opens no session.
CREATE TABLE sessions (
    id         TEXT   PRIMARY KEY, -- in hex
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    epoch      BIGINT NOT NULL, -- the account's at the sign-in
    address    TEXT   NOT NULL,
    agent      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- down
DROP TABLE sessions;
