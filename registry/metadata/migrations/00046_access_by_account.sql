-- What each account has is asked for by the account: its groups come first, and not those
-- of the project, which may be thousands. SQLite takes CROSS JOIN for the order.
DROP VIEW account_access;
CREATE VIEW account_access AS
    SELECT m.project_id, m.user_id, m.group_id, m.repositories, m.matching, m.role, m.rights
        FROM memberships m WHERE m.user_id <> 0
    UNION ALL
    SELECT m.project_id, g.user_id, m.group_id, m.repositories, m.matching, m.role, m.rights
        FROM group_users g CROSS JOIN memberships m WHERE m.group_id = g.group_id AND m.user_id = 0;

-- down
DROP VIEW account_access;
CREATE VIEW account_access AS
    SELECT m.project_id, m.user_id, m.group_id, m.repositories, m.matching, m.role, m.rights
        FROM memberships m WHERE m.user_id <> 0
    UNION ALL
    SELECT m.project_id, g.user_id, m.group_id, m.repositories, m.matching, m.role, m.rights
        FROM group_users g JOIN memberships m ON m.group_id = g.group_id WHERE m.user_id = 0;
