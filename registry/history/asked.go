package history

import (
	"context"
	"errors"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/jobs"
)

// asked is who asked for a job that lasts, and the right that its work takes.
type asked struct {
	history *History
	by      string
	right   auth.Right
	about   string
	looked  time.Time
}

func (h *History) asked(w *jobs.Work, right auth.Right, repo string) *asked {
	return &asked{history: h, by: w.By, right: right, about: repo}
}

// still is nil while whoever asked for the work has the right to it: a right that is taken
// away ends the work within a second, as it ends requests.
func (a *asked) still(ctx context.Context) error {
	const every = 500 * time.Millisecond
	if a.by == auth.Operator().Name || time.Since(a.looked) < every {
		return nil
	}
	h := a.history
	u, err := h.db.UserByName(ctx, a.by)
	allowed := false
	if err == nil {
		u.Disabled = u.Disabled || u.Expired(h.db.Now())
		var v auth.Verdict
		v, err = h.judge.Explain(ctx, h.db, u, a.right, a.about)
		allowed = v.Allowed
	}
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	if !allowed {
		return jobs.Final(errdefs.Errorf(errdefs.ErrDenied, "%q, who asked for it, has no right to it any more: it ends here", a.by))
	}
	a.looked = time.Now()
	return nil
}

// deeds are changes of the tags of a repository, after an entry of its history.
type deeds struct {
	repo, after int64
	match       string // is in the names of the tags
	back        bool   // that gave tags back, and not those that deleted them
}

// before counts what was done of these before a job began here: one that another server left
// tells of all of its work.
func (h *History) before(ctx context.Context, w *jobs.Work, d deeds) (n int, err error) {
	which := "h.digest = ''"
	if d.back {
		which = "h.previous = '' AND h.digest <> ''"
	}
	q := h.db.Querier()
	// the plus is that of untagged
	err = q.Row(ctx, `SELECT COUNT(*) FROM tag_history h WHERE h.id > $1 AND +h.repository_id = $2 AND h.actor = $3
		AND h.at >= $4 AND `+which+" AND "+db.AnyCase(q, "h.name")+` $5 ESCAPE '\'`,
		d.after, d.repo, w.By, db.Micros(w.CreatedAt), patternOf(d.match)).Scan(&n)
	return n, db.Unavailable(err)
}
