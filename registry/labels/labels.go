// Package labels has the labels that people put on artifacts: a name with a colour, of
// one project or of all. Who may read an artifact sees its labels; lists, retention and
// replication choose by them.
package labels

import (
	"context"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/metadata"
)

// The rights that labels take. Those of all projects are listed by every account, and
// changed with Manage.
const (
	List   = rights.Right("label:list")
	Create = rights.Right("label:create")
	Update = rights.Right("label:update")
	Remove = rights.Right("label:delete")
	Manage = rights.ManageLabels

	PutOn   = rights.Right("artifact-label:create")
	TakeOff = rights.Right("artifact-label:delete")
)

const (
	// maxLabels bounds those of a project, and those of all.
	maxLabels = 1000
	// maxOn bounds those on one artifact: a list shows all of them in each row.
	maxOn = 50
	// longestName and longestText are in characters.
	longestName = 128
	longestText = 1000
	// DefaultColor is that of a label of which none is said.
	DefaultColor = "#0065ab"
)

// Label is one.
type Label struct {
	ID          int64
	Project     string // "" of all projects
	Number      int64  // that Harbor's API has for the project; 0 of all
	Name        string
	Description string
	Color       string // as #0065ab
	By          string
	CreatedAt   time.Time
	ChangedAt   time.Time
}

// Global says that the label is one of all projects.
func (l Label) Global() bool { return l.Project == "" }

// Spec is what is said of a label. What is nil stays, or, of a new one, is what it is
// without it; a name is required of that.
type Spec struct {
	Name, Description, Color *string
	// If refuses a change of a label that is not what the caller has seen.
	If func(now Label) error
}

// Query asks for a page of labels: those with Match in their name, after the name Last, at
// most N.
type Query struct {
	Match, Last string
	N           int
}

// pattern is Match for LIKE, which is told that the escape is a backslash.
func (q Query) pattern() string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(q.Match)) + "%"
}

// Heard hears, within the transaction, that a label was put on an artifact.
type Heard func(ctx context.Context, tx *metadata.Tx, repo, digest, actor string) error

// Labels manages the labels of all projects. It works beside running servers. Who may not
// do something gets the errors of auth.Judge's Permit.
type Labels struct {
	db    *metadata.DB
	judge auth.Judge
	heard Heard
}

// New manages the labels of a database, and has heard, unless it is nil, hear of what gets
// one.
func New(database *metadata.DB, judge auth.Judge, heard Heard) *Labels {
	if heard == nil {
		heard = func(context.Context, *metadata.Tx, string, string, string) error { return nil }
	}
	return &Labels{database, judge, heard}
}

const selectLabels = `SELECT l.id, COALESCE(p.name, ''), COALESCE(p.number, 0), l.name, l.description, l.color,
	l.created_by, l.created_at, l.changed_at FROM labels l LEFT JOIN projects p ON p.id = l.project_id `

func scanLabel(s db.Scanner) (l Label, err error) {
	var created, changed int64
	err = s.Scan(&l.ID, &l.Project, &l.Number, &l.Name, &l.Description, &l.Color, &l.By, &created, &changed)
	l.CreatedAt, l.ChangedAt = time.UnixMicro(created).UTC(), time.UnixMicro(changed).UTC()
	return l, err
}

// permit asks for a right of a label of a project, or of all with "".
func (s *Labels) permit(
	ctx context.Context, q auth.Standings, by auth.Caller, right auth.Right, project string,
) error {
	if project != "" {
		return s.judge.Permit(ctx, q, by, right, project)
	}
	if right != List {
		return s.judge.Permit(ctx, q, by, Manage, "")
	}
	if by.Name == "" {
		return errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required: sign in to see labels")
	}
	return nil
}

// List lists the labels of a project, or of all with "", by name.
func (s *Labels) List(
	ctx context.Context, by auth.Caller, project string, q Query,
) (page []Label, more bool, err error) {
	if err := s.permit(ctx, s.db, by, List, project); err != nil {
		return nil, false, err
	}
	id, err := scope(ctx, s.db.Queries, project)
	if err != nil {
		return nil, false, err
	}
	page, err = db.All(ctx, s.db.Querier(), scanLabel, selectLabels+`WHERE l.project_id = $1 AND l.name > $2 AND `+
		db.AnyCase(s.db.Querier(), "l.name")+` $3 ESCAPE '\' ORDER BY l.name LIMIT $4`, id, q.Last, q.pattern(), q.N+1)
	if len(page) > q.N {
		return page[:q.N], true, err
	}
	return page, false, err
}

// scope is the id by which labels of a project are found: 0 of all.
func scope(ctx context.Context, q metadata.Queries, project string) (int64, error) {
	if project == "" {
		return 0, nil
	}
	p, err := q.Project(ctx, project)
	return p.ID, err
}

// Get is a label of a project, or of all with "", by its id.
func (s *Labels) Get(ctx context.Context, by auth.Caller, project string, id int64) (Label, error) {
	if err := s.permit(ctx, s.db, by, List, project); err != nil {
		return Label{}, err
	}
	return get(ctx, s.db.Querier(), project, id)
}

func get(ctx context.Context, q db.Querier, project string, id int64) (Label, error) {
	l, err := scanLabel(q.Row(ctx, selectLabels+"WHERE l.id = $1 AND l.removed_at = 0 AND COALESCE(p.name, '') = $2", id,
		project))
	if project == "" {
		return l, db.NotFound(err, "there is no label %d of all projects", id)
	}
	return l, db.NotFound(err, "project %q has no label %d", project, id)
}

// Where is the project of the label of an id, "" of one of all; errdefs.ErrNotFound if
// there is none.
func (s *Labels) Where(ctx context.Context, id int64) (project string, err error) {
	l, err := scanLabel(s.db.Querier().Row(ctx, selectLabels+"WHERE l.id = $1 AND l.removed_at = 0", id))
	return l.Project, db.NotFound(err, "there is no label %d", id)
}

// change is an update by a caller who has the right, decided within the transaction.
func (s *Labels) change(ctx context.Context, by auth.Caller, right auth.Right, project string,
	do func(ctx context.Context, tx *metadata.Tx) error,
) error {
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.permit(ctx, tx, by, right, project); err != nil {
			return err
		}
		return do(ctx, tx)
	})
}

// Create makes a label of a project, or of all with "". One of that name is
// errdefs.ErrExists.
func (s *Labels) Create(ctx context.Context, by auth.Caller, project string, spec Spec) (l Label, err error) {
	err = s.change(ctx, by, Create, project, func(ctx context.Context, tx *metadata.Tx) error {
		l = Label{
			ID: tx.Tx.NewID(), Project: project, Color: DefaultColor, By: by.Name, CreatedAt: tx.Now(),
			ChangedAt: tx.Now(),
		}
		if err := l.apply(spec); err != nil {
			return err
		}
		of := int64(0)
		if project != "" {
			p, err := tx.ProjectForUpdate(ctx, project)
			if err != nil {
				return err
			}
			of = p.ID
		}
		var there int64
		err := tx.Querier().Row(ctx, "SELECT COUNT(*) FROM labels WHERE project_id = $1", of).Scan(&there)
		if err != nil {
			return db.Unavailable(err)
		}
		if there >= maxLabels {
			return errdefs.Errorf(errdefs.ErrConflict, "there are %d labels already; remove one first", there)
		}
		made, err := tx.Tx.Exec(ctx, `INSERT INTO labels
			(id, project_id, name, description, color, created_at, created_by, changed_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $6) ON CONFLICT (project_id, name) DO NOTHING`,
			l.ID, of, l.Name, l.Description, l.Color, db.Micros(tx.Now()), by.Name)
		if err != nil {
			return db.Unavailable(err)
		}
		if made == 0 {
			return l.taken()
		}
		if err := audit.Record(ctx, tx, by, l.about("label.create")); err != nil {
			return err
		}
		l, err = get(ctx, tx.Querier(), project, l.ID)
		return err
	})
	return l, err
}

func (l Label) taken() error {
	if l.Global() {
		return errdefs.Errorf(errdefs.ErrExists, "there is another label %q of all projects", l.Name)
	}
	return errdefs.Errorf(errdefs.ErrExists, "project %q has another label %q", l.Project, l.Name)
}

// about is what the audit log has of a change of a label.
func (l Label) about(action string) audit.Change {
	object := l.Project
	if l.Global() {
		object = "all projects"
	}
	return audit.Change{Action: action, Object: object, Detail: l.Name}
}

// Change changes what the spec says of a label.
func (s *Labels) Change(
	ctx context.Context, by auth.Caller, project string, id int64, spec Spec,
) (l Label, err error) {
	err = s.change(ctx, by, Update, project, func(ctx context.Context, tx *metadata.Tx) error {
		was, err := get(ctx, tx.Querier(), project, id)
		if err != nil {
			return err
		}
		if spec.If != nil {
			if err := spec.If(was); err != nil {
				return err
			}
		}
		l = was
		l.ChangedAt = tx.Now()
		if err := l.apply(spec); err != nil {
			return err
		}
		var other int64
		err = tx.Querier().Row(ctx, `SELECT COUNT(*) FROM labels l
			WHERE l.name = $1 AND l.id <> $2 AND l.project_id = (SELECT o.project_id FROM labels o WHERE o.id = $2)`,
			l.Name, id).Scan(&other)
		if err != nil {
			return db.Unavailable(err)
		}
		if other > 0 {
			return l.taken()
		}
		if _, err := tx.Tx.Exec(ctx, `UPDATE labels SET name = $2, description = $3, color = $4, changed_at = $5
			WHERE id = $1`, id, l.Name, l.Description, l.Color, db.Micros(tx.Now())); err != nil {
			return db.Unavailable(err)
		}
		told := l.about("label.change")
		if was.Name != l.Name {
			told.Detail = was.Name + " → " + l.Name
		}
		return audit.Record(ctx, tx, by, told)
	})
	return l, err
}

// kept is how long a label that was removed can be had back.
const kept = 7 * 24 * time.Hour

// Remove removes a label, and takes it off all artifacts. For a week [Labels.Restore]
// undoes it.
func (s *Labels) Remove(ctx context.Context, by auth.Caller, project string, id int64) error {
	return s.change(ctx, by, Remove, project, func(ctx context.Context, tx *metadata.Tx) error {
		l, err := get(ctx, tx.Querier(), project, id)
		if err != nil {
			return err
		}
		now := tx.Now()
		for _, step := range []struct {
			stmt string
			args []any
		}{
			{"DELETE FROM labels WHERE removed_at > 0 AND removed_at < $1", []any{db.Micros(now.Add(-kept))}},
			{
				"UPDATE labels SET removed_from = project_id, project_id = -id, removed_at = $2 WHERE id = $1",
				[]any{id, db.Micros(now)},
			},
		} {
			if _, err := tx.Tx.Exec(ctx, step.stmt, step.args...); err != nil {
				return db.Unavailable(err)
			}
		}
		return audit.Record(ctx, tx, by, l.about("label.remove"))
	})
}

// Restore takes back the last removal of a label of a name: it is on the artifacts again
// that had it. Who may remove it may do so, unless another has the name by now.
func (s *Labels) Restore(ctx context.Context, by auth.Caller, project, name string) (l Label, err error) {
	err = s.change(ctx, by, Remove, project, func(ctx context.Context, tx *metadata.Tx) error {
		of, err := scope(ctx, tx.Queries, project)
		if err != nil {
			return err
		}
		var id, there int64
		err = tx.Querier().Row(ctx, `SELECT id FROM labels
			WHERE removed_from = $1 AND name = $2 AND removed_at > $3 ORDER BY removed_at DESC, id DESC LIMIT 1`,
			of, name, db.Micros(tx.Now().Add(-kept))).Scan(&id)
		if err != nil {
			return db.NotFound(err, "no label %q was removed here in the last week", name)
		}
		err = tx.Querier().Row(ctx, "SELECT COUNT(*) FROM labels WHERE project_id = $1 AND name = $2", of, name).Scan(&there)
		if err != nil {
			return db.Unavailable(err)
		}
		if there > 0 {
			return Label{Project: project, Name: name}.taken()
		}
		if _, err = tx.Tx.Exec(ctx, `UPDATE labels SET project_id = removed_from, removed_from = 0, removed_at = 0,
			changed_at = $2 WHERE id = $1`, id, db.Micros(tx.Now())); err != nil {
			return db.Unavailable(err)
		}
		if l, err = get(ctx, tx.Querier(), project, id); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, l.about("label.restore"))
	})
	return l, err
}

var color = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// apply has the label be what the spec says.
func (l *Label) apply(spec Spec) error {
	if spec.Name != nil {
		l.Name = *spec.Name
	}
	if spec.Description != nil {
		l.Description = *spec.Description
	}
	if spec.Color != nil {
		if l.Color = *spec.Color; l.Color == "" {
			l.Color = DefaultColor
		}
	}
	switch {
	case l.Name == "" || l.Name != strings.TrimSpace(l.Name) || !printable(l.Name, longestName):
		return errdefs.Errorf(errdefs.ErrInvalid,
			"label %q: a name is 1 to %d characters that can be seen, with no space at its ends", l.Name, longestName)
	case !printable(l.Description, longestText):
		return errdefs.Errorf(errdefs.ErrInvalid, "label %q: a description is %d characters at most, on one line", l.Name,
			longestText)
	case !color.MatchString(l.Color):
		return errdefs.Errorf(errdefs.ErrInvalid, "label %q: color %q is none as #0065ab", l.Name, l.Color)
	}
	return nil
}

func printable(text string, longest int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= longest &&
		strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
