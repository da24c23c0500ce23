// Package rename gives repositories and projects other names, and moves repositories from
// one project to another. No bytes move: the rows that hold images, tags, their history
// and sums stay, and what names them follows. The old name stays with it for a time, by
// package former.
package rename

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/names"
	"cove/registry/records"
	"cove/registry/store/change"
)

// The rights that a rename takes: the first of what is renamed. To move a repository takes
// Push of its new name too, to rename a project that to create one.
const (
	OfRepository = rights.Right("repository:delete")
	OfProject    = auth.RemoveProject
	List         = auth.ReadProject
	Release      = auth.SetVisibility
)

// JobKind is the kind of the jobs that rename something.
const JobKind = "rename"

// DefaultKeep is how long an old name is good for pulls, and longestKeep the most.
const (
	DefaultKeep = 90 * 24 * time.Hour
	longestKeep = 3650 * 24 * time.Hour
)

// Config is what Names needs.
type Config struct {
	DB    *metadata.DB
	Judge auth.Judge
	// Serves says that this process serves the registry; others ask it by jobs.
	Serves bool
	// ReadOnly says why nothing is renamed, "" while it is; nil is that.
	ReadOnly func() string
	// Records keep what the database says beside the bytes; nil keeps nothing.
	Records *records.Records
	// Tell hears of the tags that came by their new name and went by the old one; nil is
	// nobody.
	Tell change.Teller
	// Renamed, unless it is nil, is called after a rename.
	Renamed func()
}

// Names renames. It is safe for concurrent use. Who may not do something gets the errors
// of auth.Judge's Permit.
type Names struct{ cfg Config }

// New returns what renames.
func New(cfg Config) *Names {
	if cfg.Tell == nil {
		cfg.Tell = change.Untold
	}
	if cfg.ReadOnly == nil {
		cfg.ReadOnly = func() string { return "" }
	}
	if cfg.Renamed == nil {
		cfg.Renamed = func() {}
	}
	return &Names{cfg}
}

// Request says what gets which name: a repository, by full names, or a project.
type Request struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Keep is how long the old name is good for pulls; 0 releases it at once.
	Keep time.Duration `json:"keep"`
}

// Project says that the request is about a project.
func (r Request) Project() bool { return !strings.Contains(r.From, "/") }

// Done tells what a rename did.
type Done struct {
	Name         string    `json:"name"`
	Repositories int       `json:"repositories"`
	Until        time.Time `json:"until,omitzero"` // the old name is good for pulls; zero: it is not
	// Notes say what did not follow, as rules that do not speak of it any more.
	Notes []string `json:"notes,omitempty"`
}

func (r Request) check() error {
	switch {
	case r.Project() && (!reference.ValidRepository(r.To) || strings.Contains(r.To, "/")):
		return errdefs.Errorf(errdefs.ErrInvalid,
			"project %q: a name is lower-case letters and digits, with single . _ or - between them", r.To)
	case r.Project() && r.From == metadata.DefaultProject:
		return errdefs.Errorf(errdefs.ErrInvalid, "project %q holds the images whose name has no project; it keeps its name",
			r.From)
	case !reference.ValidRepository(r.To) || !reference.ValidRepository(r.From):
		return errdefs.Errorf(errdefs.ErrInvalid, "repository %q: that is no repository's name", r.To)
	case r.From == r.To:
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is called so already", r.To)
	case r.Keep < 0 || r.Keep > longestKeep:
		return errdefs.Errorf(errdefs.ErrInvalid, "the old name is kept for 0 to %d days", longestKeep/(24*time.Hour))
	}
	return nil
}

// Repository gives a repository another full name, in its project or in another.
func (n *Names) Repository(ctx context.Context, by auth.Caller, r Request) (Done, error) {
	r.From, r.To = metadata.CanonicalName(r.From), metadata.CanonicalName(r.To)
	return n.do(ctx, by, r, nil)
}

// Project gives a project another name, and with it all of its repositories.
func (n *Names) Project(ctx context.Context, by auth.Caller, r Request) (Done, error) {
	if !r.Project() {
		return Done{}, errdefs.Errorf(errdefs.ErrInvalid, "project %q: that is no project's name", r.From)
	}
	return n.do(ctx, by, r, nil)
}

// within is what else the transaction of a rename does; nil is nothing.
type within func(context.Context, *metadata.Tx, Done) error

func (n *Names) do(ctx context.Context, by auth.Caller, r Request, also within) (done Done, err error) {
	if err := r.check(); err != nil {
		return Done{}, err
	}
	if err := n.permit(ctx, n.cfg.DB, by, r); err != nil {
		return Done{}, err
	}
	if err := known(ctx, n.cfg.DB.Queries, r); err != nil {
		return Done{}, err
	}
	if !n.cfg.Serves {
		return n.byServer(ctx, by, r)
	}
	if why := n.cfg.ReadOnly(); why != "" {
		return Done{}, errdefs.Errorf(errdefs.ErrUnsupported, "%s", why)
	}
	done, err = n.run(ctx, by, r, also)
	if err == nil {
		n.cfg.Renamed()
	}
	return done, err
}

// known refuses a place that is not there.
func known(ctx context.Context, q metadata.Queries, r Request) error {
	if r.Project() {
		return nil
	}
	_, err := q.Project(ctx, metadata.ProjectOf(r.To))
	if errors.Is(err, errdefs.ErrNotFound) {
		err = errdefs.Suggest(err, errdefs.MakeProject, metadata.ProjectOf(r.To))
	}
	return err
}

// permit asks for the rights of both names.
func (n *Names) permit(ctx context.Context, q auth.Standings, by auth.Caller, r Request) error {
	of, at := OfRepository, auth.Push
	if r.Project() {
		of, at = OfProject, auth.CreateProject
	}
	if err := n.cfg.Judge.Permit(ctx, q, by, of, r.From); err != nil {
		return err
	}
	return n.cfg.Judge.Permit(ctx, q, by, at, r.To)
}

// byServer has a server do it, and waits for it.
func (n *Names) byServer(ctx context.Context, by auth.Caller, r Request) (done Done, err error) {
	var job int64
	err = n.cfg.DB.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := n.permit(ctx, tx, by, r); err != nil {
			return err
		}
		job, _, err = jobs.Add(ctx, tx, jobs.New{
			Kind: JobKind, Subject: r.From, Project: metadata.ProjectOf(r.From), By: by.Name, Args: r,
		})
		return err
	})
	if err != nil {
		return Done{}, err
	}
	note, err := jobs.NewJobs(n.cfg.DB, n.cfg.Judge).Await(ctx, job)
	if err != nil {
		return Done{}, err
	}
	if err := json.Unmarshal([]byte(note), &done); err != nil {
		return Done{}, fmt.Errorf("what a server said of a rename: %w", err)
	}
	return done, nil
}

// asked are the arguments of a job. What is done is written there with the rename itself, so
// that who takes the job of a server that was killed just then does not look for the old name.
type asked struct {
	Request
	Done *Done `json:"done,omitempty"`
}

// Kind does what is asked for beside a server, as the operator of the machine.
func (n *Names) Kind() jobs.Kind {
	return jobs.Kind{Name: JobKind, Run: func(ctx context.Context, w *jobs.Work) (string, error) {
		var a asked
		if err := w.Read(&a); err != nil {
			return "", err
		}
		if a.Done == nil {
			remember := func(ctx context.Context, tx *metadata.Tx, done Done) error {
				return w.RememberIn(ctx, tx, asked{a.Request, &done})
			}
			done, err := n.do(ctx, auth.Operator(), a.Request, remember)
			if err != nil {
				return "", jobs.Final(err)
			}
			a.Done = &done
		}
		note, err := json.Marshal(a.Done)
		return string(note), err
	}}
}

// Former lists the names that a project and its repositories had and that are good for
// pulls.
func (n *Names) Former(ctx context.Context, by auth.Caller, project string) ([]names.Former, error) {
	if err := n.cfg.Judge.Permit(ctx, n.cfg.DB, by, List, project); err != nil {
		return nil, err
	}
	p, err := n.cfg.DB.Project(ctx, project)
	if err != nil {
		return nil, err
	}
	return names.OfProject(ctx, n.cfg.DB.Querier(), p.ID, n.cfg.DB.Now())
}

// Release ends a former name of a project or of one of its repositories: pulls by it are
// refused, and others may take it.
func (n *Names) Release(ctx context.Context, by auth.Caller, project, name string) error {
	err := n.cfg.DB.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := n.cfg.Judge.Permit(ctx, tx, by, Release, project); err != nil {
			return err
		}
		p, err := tx.Project(ctx, project)
		if err != nil {
			return err
		}
		all, err := names.OfProject(ctx, tx.Querier(), p.ID, tx.Now())
		if err != nil {
			return err
		}
		for _, f := range all {
			if f.Name != name {
				continue
			}
			if err := names.Release(ctx, tx.Tx, name); err != nil {
				return err
			}
			return audit.Record(ctx, tx, by, audit.Change{Action: "name.release", Object: name, Detail: "of " + f.Now})
		}
		return errdefs.Errorf(errdefs.ErrNotFound, "%q is no former name of project %q or of its repositories", name,
			project)
	})
	if err == nil {
		n.cfg.Renamed()
	}
	return err
}
