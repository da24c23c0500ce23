-- What programs that manage people keep of them beside the account: nothing here asks for it.
CREATE TABLE user_details (
    user_id  BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    email    TEXT NOT NULL,
    realname TEXT NOT NULL,
    comment  TEXT NOT NULL
);

-- down
DROP TABLE user_details;
