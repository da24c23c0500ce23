-- Names that projects and repositories had, which stay theirs for a time: pulls by them
-- go on, and nobody else takes them.
CREATE TABLE former_names (
    name          TEXT /*bytewise*/ PRIMARY KEY, -- of a project (team) or of a repository (team/app)
    project_id    BIGINT NOT NULL DEFAULT 0, -- of which one is 0
    repository_id BIGINT NOT NULL DEFAULT 0,
    until         BIGINT NOT NULL,
    moved_at      BIGINT NOT NULL,
    moved_by      TEXT   NOT NULL DEFAULT ''
);
CREATE INDEX former_names_project ON former_names (project_id, name) WHERE project_id <> 0;
CREATE INDEX former_names_repository ON former_names (repository_id, name) WHERE repository_id <> 0;
CREATE INDEX former_names_until ON former_names (until);

-- down
DROP TABLE former_names;
