-- Accounts of other kinds than users: robots, which belong to a project or to the
-- registry, and rules that trust tokens of others, which sign in as themselves.
ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'user'; -- user, robot, trust
ALTER TABLE users ADD COLUMN project_id BIGINT NOT NULL DEFAULT 0; -- 0: of the registry
ALTER TABLE users ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0; -- 0: never
ALTER TABLE users ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0; -- 0: never; at most a minute late
ALTER TABLE users ADD COLUMN source TEXT NOT NULL DEFAULT ''; -- who vouches for it: '' this registry, oidc, ldap
CREATE INDEX users_kind ON users (kind, project_id, name);

CREATE TABLE user_groups (
    id         BIGINT PRIMARY KEY,
    name       TEXT /*bytewise*/ NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- Who is in a group, and who says so: '' an administrator, or the source of the
-- account, which says it anew at each sign-in.
CREATE TABLE group_users (
    group_id BIGINT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    source   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_users_user ON group_users (user_id, group_id);

-- Sets of rights that an administrator has named.
CREATE TABLE custom_roles (
    name        TEXT /*bytewise*/ PRIMARY KEY,
    rights      TEXT   NOT NULL, -- with a space between two
    description TEXT   NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL
);

-- What an account or a group has in a project, or, with project 0, in all: a role,
-- or rights of its own, in the repositories whose name matches. In a project the
-- names are those within it. It takes the place of members, which stays for a
-- server of the version before that runs beside this one.
CREATE TABLE memberships (
    project_id   BIGINT NOT NULL,
    user_id      BIGINT NOT NULL DEFAULT 0, -- 0: of a group
    group_id     BIGINT NOT NULL DEFAULT 0, -- 0: of an account
    repositories TEXT /*bytewise*/ NOT NULL DEFAULT '*',
    matching     TEXT   NOT NULL DEFAULT '%', -- repositories as a pattern of LIKE
    role         TEXT   NOT NULL, -- '' when it has rights of its own
    rights       TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (project_id, user_id, group_id, repositories)
);
CREATE INDEX memberships_user ON memberships (user_id, project_id);
CREATE INDEX memberships_group ON memberships (group_id, project_id);
INSERT INTO memberships (project_id, user_id, role)
    SELECT project_id, user_id, CASE role WHEN 10 THEN 'limited-guest' WHEN 20 THEN 'guest' WHEN 30 THEN 'developer'
        WHEN 40 THEN 'maintainer' ELSE 'project-admin' END FROM members;

-- What each account has, by itself and by its groups.
CREATE VIEW account_access AS
    SELECT m.project_id, m.user_id, m.group_id, m.repositories, m.matching, m.role, m.rights
        FROM memberships m WHERE m.user_id <> 0
    UNION ALL
    SELECT m.project_id, g.user_id, m.group_id, m.repositories, m.matching, m.role, m.rights
        FROM group_users g JOIN memberships m ON m.group_id = g.group_id WHERE m.user_id = 0;

-- Personal access tokens: the hash of a random text, and what of the account's
-- rights it has.
CREATE TABLE access_tokens (
    id           BIGINT PRIMARY KEY,
    user_id      BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,
    rights       TEXT   NOT NULL, -- with a space between two
    repositories TEXT   NOT NULL DEFAULT '*', -- of the full names
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL DEFAULT 0, -- 0: never
    used_at      BIGINT NOT NULL DEFAULT 0,
    UNIQUE (user_id, name)
);

-- down
DROP TABLE access_tokens;
DROP VIEW account_access;
DROP TABLE memberships;
DROP TABLE custom_roles;
DROP TABLE group_users;
DROP TABLE user_groups;
DROP INDEX users_kind;
ALTER TABLE users DROP COLUMN source;
ALTER TABLE users DROP COLUMN used_at;
ALTER TABLE users DROP COLUMN expires_at;
ALTER TABLE users DROP COLUMN description;
ALTER TABLE users DROP COLUMN project_id;
ALTER TABLE users DROP COLUMN kind;
