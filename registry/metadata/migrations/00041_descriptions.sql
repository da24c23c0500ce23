-- What people say of a repository. It follows the repository, whatever that is called.
CREATE TABLE repository_descriptions (
    repository_id BIGINT PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    text          TEXT   NOT NULL,
    changed_by    TEXT   NOT NULL,
    changed_at    BIGINT NOT NULL
);

-- down
DROP TABLE repository_descriptions;
