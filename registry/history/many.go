package history

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/internal/plural"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// The kinds of the jobs over many tags at once: a repository may have more than a request
// lasts for.
const (
	UntagKind = "untag" // deletes tags
	RetagKind = "retag" // gives them back
)

// batch is how many tags such a job asks the database for at once.
const batch = 500

// Many are the tags of a repository that have Match in their name, in either case, and name
// an artifact with Label; "" is all.
type Many struct {
	Repository string `json:"repository"`
	Match      string `json:"match,omitempty"`
	Label      string `json:"label,omitempty"`
}

// untagging are the arguments of a job of UntagKind: what was tagged after it was asked for
// stays, and what it deletes comes after an entry of the tags' history.
type untagging struct {
	Many
	Before int64 `json:"before"` // microseconds
	After  int64 `json:"after"`
}

// retagging are the arguments of a job of RetagKind: what a job of UntagKind deleted.
type retagging struct {
	Repository string `json:"repository"`
	Job        int64  `json:"job"`
}

// Untag has a server delete many tags, by a job; what they name stays. One such job runs for
// a repository at a time: another is errdefs.ErrConflict. Immutable tags stay.
func (h *History) Untag(ctx context.Context, by auth.Caller, m Many) (job int64, err error) {
	m.Repository = metadata.CanonicalName(m.Repository)
	err = h.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := h.judge.Permit(ctx, tx, by, auth.Delete, m.Repository); err != nil {
			return err
		}
		if _, err := tx.Repository(ctx, m.Repository); err != nil {
			return err
		}
		of := untagging{Many: m, Before: db.Micros(tx.Now())}
		if err := tx.Querier().Row(ctx, "SELECT COALESCE(MAX(id), 0) FROM tag_history").Scan(&of.After); err != nil {
			return db.Unavailable(err)
		}
		var added bool
		job, added, err = jobs.Add(ctx, tx, jobs.New{
			Kind: UntagKind, Subject: m.Repository, Project: metadata.ProjectOf(m.Repository), By: by.Name, Args: of,
			Alone: true,
		})
		switch {
		case err != nil:
			return err
		case !added:
			return errdefs.Errorf(errdefs.ErrConflict, "job %d deletes tags of %s already; stop it or let it end", job,
				m.Repository)
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "tag.delete-many", Object: m.Repository, Detail: m.String(),
		})
	})
	return job, err
}

// String says which tags they are.
func (m Many) String() string {
	switch {
	case m.Match != "" && m.Label != "":
		return fmt.Sprintf("tags with %q in their name, of artifacts labelled %q", m.Match, m.Label)
	case m.Match != "":
		return fmt.Sprintf("tags with %q in their name", m.Match)
	case m.Label != "":
		return fmt.Sprintf("tags of artifacts labelled %q", m.Label)
	}
	return "all tags"
}

// Retag has a server give back the tags that a job of UntagKind deleted, and that name
// nothing by now. A job that runs is stopped first.
func (h *History) Retag(ctx context.Context, by auth.Caller, repo string, untag int64) (job int64, err error) {
	repo = metadata.CanonicalName(repo)
	err = h.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := h.judge.Permit(ctx, tx, by, Undo, repo); err != nil {
			return err
		}
		err := jobs.Stop(ctx, tx, by, jobs.Which{ID: untag, Kind: UntagKind, Subject: repo})
		if err != nil && !errors.Is(err, errdefs.ErrConflict) { // as one that has ended is
			return err
		}
		job, _, err = jobs.Add(ctx, tx, jobs.New{
			Kind: RetagKind, Subject: repo, Project: metadata.ProjectOf(repo), By: by.Name, Alone: true,
			Args: retagging{repo, untag},
		})
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "tag.restore-many", Object: repo, Detail: fmt.Sprintf("what job %d deleted", untag),
		})
	})
	return job, err
}

// AtMany is the newest job over many tags of a repository; ok is false if there is none that
// runs or ended within a day.
func (h *History) AtMany(ctx context.Context, by auth.Caller, repo string) (j jobs.Job, ok bool, err error) {
	if err := h.judge.Permit(ctx, h.db, by, Look, repo); err != nil {
		return j, false, err
	}
	for _, kind := range []string{UntagKind, RetagKind} {
		page, _, err := jobs.Page(ctx, h.db.Querier(), jobs.Query{Kind: kind, Subject: repo, N: 1})
		if err != nil {
			return j, false, err
		}
		if len(page) > 0 && page[0].ID > j.ID {
			j = page[0]
		}
	}
	return j, j.ID != 0 && (j.EndedAt.IsZero() || h.db.Now().Sub(j.EndedAt) < 24*time.Hour), nil
}

// untag does what Untag asks for.
func (h *History) untag(ctx context.Context, w *jobs.Work) (string, error) {
	var of untagging
	if err := w.Read(&of); err != nil {
		return "", err
	}
	if h.bin == nil {
		return "", jobs.Final(errdefs.Errorf(errdefs.ErrUnsupported, "this registry is read-only"))
	}
	id, err := h.db.Repository(ctx, of.Repository)
	if err != nil {
		return "", jobs.Final(err)
	}
	ctx = auth.WithCaller(ctx, auth.Caller{Name: w.By})
	asked := h.asked(w, auth.Delete, of.Repository)
	gone, err := h.before(ctx, w, deeds{id, of.After, of.Match, false})
	if err != nil {
		return "", err
	}
	stay, last := 0, ""
	told := func() string { return plural.Sprintf("%d tags are deleted, %d stay, as immutable", gone, stay) }
	for {
		names, err := chosen(ctx, h.db.Querier(), id, of, last)
		if err != nil || len(names) == 0 {
			return told(), err
		}
		for _, tag := range names {
			if err := asked.still(ctx); err != nil {
				return told(), err
			}
			switch err := h.bin.Registry.DeleteTag(ctx, of.Repository, tag); {
			case err == nil:
				gone++
			case errors.Is(err, errdefs.ErrDenied):
				stay++
			case !errors.Is(err, errdefs.ErrNotFound): // by another, before
				return told(), err
			}
			w.Say(told())
		}
		last = names[len(names)-1]
	}
}

// chosen lists the next tags of a job, by name.
func chosen(ctx context.Context, q db.Querier, repo int64, of untagging, last string) ([]string, error) {
	return db.All(ctx, q, db.ScanString, `SELECT t.name FROM tags t WHERE t.repository_id = $1 AND t.name > $2
		AND t.updated_at <= $3 AND `+db.AnyCase(q, "t.name")+` $4 ESCAPE '\'
		AND ($5 = '' OR EXISTS (SELECT 1 FROM artifact_labels a JOIN labels l ON l.id = a.label_id
			WHERE a.repository_id = t.repository_id AND a.digest = t.digest AND l.name = $5))
		ORDER BY t.name LIMIT $6`, repo, last, of.Before, patternOf(of.Match), of.Label, batch)
}

// patternOf is what LIKE takes for names with a text in them.
func patternOf(match string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(match)) + "%"
}

// retag does what Retag asks for. Tags whose artifact is collected are lost.
func (h *History) retag(ctx context.Context, w *jobs.Work) (string, error) {
	var of retagging
	if err := w.Read(&of); err != nil {
		return "", err
	}
	if h.bin == nil {
		return "", jobs.Final(errdefs.Errorf(errdefs.ErrUnsupported, "this registry is read-only"))
	}
	service := jobs.NewJobs(h.db, h.judge)
	_, _ = service.Await(ctx, of.Job) // it was stopped, and may be about one more tag
	untag, err := service.Get(ctx, auth.Operator(), of.Job)
	if err != nil {
		return "", jobs.Final(err)
	}
	id, err := h.db.Repository(ctx, of.Repository)
	if err != nil {
		return "", jobs.Final(err)
	}
	ctx = auth.WithCaller(ctx, auth.Caller{Name: w.By})
	asked := h.asked(w, Undo, of.Repository)
	var deleted untagging
	if err := (&jobs.Work{Job: untag}).Read(&deleted); err != nil {
		return "", err
	}
	back, err := h.before(ctx, w, deeds{id, deleted.After, deleted.Match, true})
	if err != nil {
		return "", err
	}
	lost, last := 0, int64(0)
	told := func() string { return plural.Sprintf("%d tags are back, %d lost to a collection", back, lost) }
	for {
		gone, err := untagged(ctx, h.db.Querier(), id, untag, last)
		if err != nil || len(gone) == 0 {
			return told(), err
		}
		for _, e := range gone {
			if err := asked.still(ctx); err != nil {
				return told(), err
			}
			switch err := h.bin.Restore(ctx, of.Repository, e.Previous, e.Tag); {
			case err == nil:
				back++
			case errors.Is(err, errdefs.ErrNotFound):
				lost++
			default:
				return told(), err
			}
			w.Say(told())
		}
		last = gone[len(gone)-1].ID
	}
}

// untagged lists the next of what a job of UntagKind deleted and what names nothing now.
func untagged(ctx context.Context, q db.Querier, repo int64, untag jobs.Job, last int64) ([]Entry, error) {
	var of untagging
	if err := (&jobs.Work{Job: untag}).Read(&of); err != nil {
		return nil, err
	}
	if untag.EndedAt.IsZero() {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "job %d has not stopped yet", untag.ID)
	}
	// the plus keeps SQLite from the index that leads to all of a repository's history
	return db.All(ctx, q, func(s db.Scanner) (e Entry, err error) {
		var previous string
		err = s.Scan(&e.ID, &e.Tag, &previous)
		e.Previous = digest.Digest(previous)
		return e, err
	}, `SELECT h.id, h.name, h.previous FROM tag_history h
		WHERE h.id > $1 AND +h.repository_id = $2 AND h.actor = $3 AND h.digest = '' AND h.at <= $4
			AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = h.repository_id AND t.name = h.name)
		ORDER BY h.id LIMIT $5`, max(last, of.After), repo, untag.By, db.Micros(untag.EndedAt), batch)
}
