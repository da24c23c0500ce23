-- Where a membership is in the list of its project's members: the name of who has it, and the repositories. '' is in no
-- list, as of robots; NULL was written by a server of the version before, which runs beside this one.
ALTER TABLE memberships ADD COLUMN listed TEXT /*bytewise*/;
UPDATE memberships SET listed = COALESCE(
    (SELECT CASE u.kind WHEN 'user' THEN u.name || ' ' || memberships.repositories ELSE '' END
        FROM users u WHERE u.id = memberships.user_id),
    (SELECT g.name || ' ' || memberships.repositories FROM user_groups g WHERE g.id = memberships.group_id), '');
CREATE INDEX memberships_listed ON memberships (project_id, listed);

-- down
DROP INDEX memberships_listed;
ALTER TABLE memberships DROP COLUMN listed;
