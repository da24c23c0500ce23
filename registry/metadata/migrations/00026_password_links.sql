-- Links that administrators make for who has lost a password: one for each user, good
-- once and for a time. Of the text that opens one only the hash is kept.
CREATE TABLE password_links (
    user_id    BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash       TEXT NOT NULL UNIQUE,
    expires_at BIGINT NOT NULL
);

-- down
DROP TABLE password_links;
