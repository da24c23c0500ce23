-- Small numbers of projects, for programs that name a project by one: Harbor's clients read
-- it into 32 bits. A number is given once, also when its project is gone.
ALTER TABLE projects ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
UPDATE projects SET number = counted.n
    FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM projects) AS counted WHERE counted.id = projects.id;
CREATE UNIQUE INDEX projects_number ON projects (number);
CREATE TABLE project_numbers (next BIGINT PRIMARY KEY);
INSERT INTO project_numbers (next) SELECT COUNT(*) + 1 FROM projects;

-- down
DROP TABLE project_numbers;
DROP INDEX projects_number;
ALTER TABLE projects DROP COLUMN number;
