package labels

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
)

// Artifact is what a label is put on.
type Artifact struct {
	Repository string // with its project
	Digest     digest.Digest
}

// Which says which label is meant: by its ID, or, where that is 0, by its name. Of a
// project and all projects that have one of the same name it is the project's, unless
// Global says otherwise.
type Which struct {
	ID     int64
	Name   string
	Global bool
}

// Put puts a label on an artifact. One that is on it already is errdefs.ErrExists.
func (s *Labels) Put(ctx context.Context, by auth.Caller, on Artifact, which Which) error {
	w := wish{PutOn, on, which}
	return s.move(ctx, by, w, func(ctx context.Context, tx *metadata.Tx, repo int64, l Label) error {
		var there int64
		err := tx.Querier().Row(ctx, `SELECT COUNT(*) FROM artifact_labels a JOIN labels l ON l.id = a.label_id
			WHERE a.repository_id = $1 AND a.digest = $2 AND l.removed_at = 0`, repo, on.Digest.String()).Scan(&there)
		if err != nil {
			return db.Unavailable(err)
		}
		if there >= maxOn {
			return errdefs.Errorf(errdefs.ErrConflict, "%s@%s has %d labels already; take one off first", on.Repository,
				on.Digest, there)
		}
		changed, err := tx.Tx.Exec(ctx, `INSERT INTO artifact_labels (repository_id, digest, label_id)
			VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, repo, on.Digest.String(), l.ID)
		if err != nil {
			return db.Unavailable(err)
		}
		if changed == 0 {
			return errdefs.Errorf(errdefs.ErrExists, "%s@%s has the label %q already", on.Repository, on.Digest, l.Name)
		}
		if err := s.heard(ctx, tx, on.Repository, on.Digest.String(), by.Name); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, on.about("artifact.label", l))
	})
}

// Take takes a label off an artifact. One that is not on it is errdefs.ErrNotFound.
func (s *Labels) Take(ctx context.Context, by auth.Caller, on Artifact, which Which) error {
	w := wish{TakeOff, on, which}
	return s.move(ctx, by, w, func(ctx context.Context, tx *metadata.Tx, repo int64, l Label) error {
		changed, err := tx.Tx.Exec(ctx, `DELETE FROM artifact_labels
			WHERE repository_id = $1 AND digest = $2 AND label_id = $3`, repo, on.Digest.String(), l.ID)
		if err != nil {
			return db.Unavailable(err)
		}
		if changed == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound, "%s@%s has no label %q", on.Repository, on.Digest, l.Name)
		}
		return audit.Record(ctx, tx, by, on.about("artifact.unlabel", l))
	})
}

func (on Artifact) about(action string, l Label) audit.Change {
	return audit.Change{Action: action, Object: on.Repository + "@" + on.Digest.String(), Detail: l.Name}
}

// wish is to have a label on an artifact, or off it, as the right says that it takes.
type wish struct {
	right auth.Right
	on    Artifact
	which Which
}

// move is a change of which labels an artifact has.
func (s *Labels) move(ctx context.Context, by auth.Caller, w wish,
	do func(ctx context.Context, tx *metadata.Tx, repo int64, l Label) error,
) error {
	on := w.on
	on.Repository = metadata.CanonicalName(on.Repository)
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.judge.Permit(ctx, tx, by, w.right, on.Repository); err != nil {
			return err
		}
		if _, err := tx.ManifestByDigest(ctx, on.Repository, on.Digest); err != nil {
			return err
		}
		repo, err := tx.Repository(ctx, on.Repository)
		if err != nil {
			return err
		}
		l, err := usable(ctx, tx.Querier(), metadata.ProjectOf(on.Repository), w.which)
		if err != nil {
			return err
		}
		return do(ctx, tx, repo, l)
	})
}

// usable is the label that is meant, of those that artifacts of a project have.
func usable(ctx context.Context, q db.Querier, project string, which Which) (Label, error) {
	found, err := db.All(ctx, q, scanLabel, selectLabels+`WHERE l.project_id IN (0, (SELECT id FROM projects WHERE name = $1))
		AND (l.id = $2 OR $2 = 0 AND l.name = $3) ORDER BY l.project_id DESC`, project, which.ID, which.Name)
	if err != nil {
		return Label{}, err
	}
	if which.Global {
		found = slices.DeleteFunc(found, func(l Label) bool { return !l.Global() })
	}
	if len(found) > 0 {
		return found[0], nil
	}
	if which.ID != 0 {
		return Label{}, errdefs.Errorf(errdefs.ErrNotFound, "there is no label %d of project %q or of all projects",
			which.ID, project)
	}
	return Label{}, errdefs.Errorf(errdefs.ErrNotFound, "there is no label %q of project %q or of all projects; make it first",
		which.Name, project)
}

// Usable lists all labels that artifacts of a project may have, its own first.
func (s *Labels) Usable(ctx context.Context, by auth.Caller, project string) (all []Label, err error) {
	if err := s.permit(ctx, s.db, by, List, project); err != nil {
		return nil, err
	}
	return db.All(ctx, s.db.Querier(), scanLabel, selectLabels+`WHERE l.project_id IN (0, (SELECT id FROM projects WHERE name = $1))
		ORDER BY CASE WHEN l.project_id = 0 THEN 1 ELSE 0 END, l.name`, project)
}

// On are the labels of artifacts of a repository, for who may read it.
func On(
	ctx context.Context, q db.Querier, repository int64, digests ...digest.Digest,
) (on map[digest.Digest][]Label, err error) {
	on = map[digest.Digest][]Label{}
	if len(digests) == 0 {
		return on, nil
	}
	in, args := db.List(digests, repository)
	err = db.Each(ctx, q, func(row db.Scanner) (bool, error) {
		var dgst string
		l, err := scanLabel(prefixed{row, &dgst})
		on[digest.Digest(dgst)] = append(on[digest.Digest(dgst)], l)
		return true, err
	}, `SELECT a.digest, l.id, COALESCE(p.name, ''), COALESCE(p.number, 0), l.name, l.description, l.color,
			l.created_by, l.created_at, l.changed_at
		FROM artifact_labels a JOIN labels l ON l.id = a.label_id LEFT JOIN projects p ON p.id = l.project_id
		WHERE a.repository_id = $1 AND a.digest IN (`+in+`) AND l.removed_at = 0 ORDER BY l.name, l.id`, args...)
	return on, err
}

// prefixed is a row with one column before those of a label.
type prefixed struct {
	row   db.Scanner
	first *string
}

func (p prefixed) Scan(into ...any) error { return p.row.Scan(append([]any{p.first}, into...)...) }

// Count is how many artifacts have a label.
func Count(ctx context.Context, q db.Querier, id int64) (n int64, err error) {
	err = q.Row(ctx, `SELECT COUNT(*) FROM artifact_labels a JOIN manifests m
		ON m.repository_id = a.repository_id AND m.digest = a.digest WHERE a.label_id = $1`, id).Scan(&n)
	return n, db.Unavailable(err)
}

// Names are those of the labels of one artifact.
func Names(ctx context.Context, q db.Querier, repo string, dgst digest.Digest) ([]string, error) {
	return db.All(ctx, q, db.ScanString, `SELECT l.name FROM repositories r
		JOIN artifact_labels a ON a.repository_id = r.id AND a.digest = $2 JOIN labels l ON l.id = a.label_id
		WHERE r.name = $1 AND l.removed_at = 0 ORDER BY l.name`, repo, dgst.String())
}

// Follow has the labels of a repository's artifacts be those of the project that it was
// moved to, where that has some of the same names, and takes the others of its old project
// off. It tells which those are.
func Follow(ctx context.Context, tx *metadata.Tx, repository, from, to int64) (lost []string, err error) {
	if from == to {
		return nil, nil
	}
	const of = "SELECT id FROM labels WHERE project_id = $2 OR removed_at > 0 AND removed_from = $2"
	lost, err = db.All(ctx, tx.Querier(), db.ScanString, `SELECT DISTINCT l.name FROM artifact_labels a
		JOIN labels l ON l.id = a.label_id WHERE a.repository_id = $1 AND l.project_id = $2
			AND NOT EXISTS (SELECT 1 FROM labels n WHERE n.project_id = $3 AND n.name = l.name) ORDER BY l.name`,
		repository, from, to)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Tx.Exec(ctx, `INSERT INTO artifact_labels (repository_id, digest, label_id)
		SELECT a.repository_id, a.digest, n.id FROM artifact_labels a JOIN labels l ON l.id = a.label_id
			JOIN labels n ON n.project_id = $3 AND n.name = l.name
		WHERE a.repository_id = $1 AND l.project_id = $2 ON CONFLICT DO NOTHING`, repository, from, to); err != nil {
		return nil, db.Unavailable(err)
	}
	_, err = tx.Tx.Exec(ctx, "DELETE FROM artifact_labels WHERE repository_id = $1 AND label_id IN ("+of+")",
		repository, from)
	return lost, db.Unavailable(err)
}
