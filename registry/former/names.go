// Package former has projects and repositories that were renamed answer to the names that
// they had: pulls by such a name go on for a time, and are told the name of today; pushes
// are refused with it. [Names] are asked who is meant, by package auth before it decides,
// and [Registry] serves it.
package former

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"cove/distribution"
	"cove/registry/auth/recent"
	"cove/registry/metadata"
	"cove/registry/metadata/names"
)

// Names tells how repositories are called now. It is safe for concurrent use.
type Names struct {
	db      *metadata.DB
	now     func() time.Time
	answers recent.Answers[string, known]
}

type known struct {
	names.Former
	moved bool
}

// New tells it by what the database says.
func New(db *metadata.DB, now func() time.Time) *Names {
	return &Names{db: db, now: now, answers: recent.Answers[string, known]{Now: now}}
}

// Clear forgets what the database said a moment ago, as whoever renames something does.
func (n *Names) Clear() { n.answers.Clear() }

func (n *Names) of(ctx context.Context, repo string) (known, error) {
	return n.answers.Get(repo, func() (k known, err error) {
		k.Former, k.moved, err = names.Of(ctx, n.db.Querier(), repo, n.now())
		return k, err
	}, func(known) bool { return true })
}

// Now is how the repository of a canonical name is called now.
func (n *Names) Now(ctx context.Context, repo string) (string, error) {
	k, err := n.of(ctx, repo)
	return k.Now, err
}

type notedKey struct{}

// Noted returns a context in which [Registry] knows the former names among those of a
// request, which may do what it asks for, and tells the client of them.
func (n *Names) Noted(ctx context.Context, access []distribution.Access) (context.Context, error) {
	var noted map[string]names.Former
	for _, a := range access {
		if a.Repository == "" {
			continue
		}
		repo := metadata.CanonicalName(a.Repository)
		k, err := n.of(ctx, repo)
		if err != nil {
			return nil, err
		}
		if !k.moved {
			continue
		}
		if noted == nil {
			noted = map[string]names.Former{}
		}
		noted[repo] = k.Former
		warn(ctx, k.Former)
	}
	if noted == nil {
		return ctx, nil
	}
	return context.WithValue(ctx, notedKey{}, noted), nil
}

// Now is how the repository that a request names is called now: as it is named, unless
// that was noted as a former name.
func Now(ctx context.Context, repo string) string {
	if f, ok := noted(ctx, repo); ok {
		return f.Now
	}
	return repo
}

func noted(ctx context.Context, repo string) (f names.Former, ok bool) {
	all, _ := ctx.Value(notedKey{}).(map[string]names.Former)
	if all == nil {
		return f, false
	}
	f, ok = all[metadata.CanonicalName(repo)]
	return f, ok
}

type headerKey struct{}

// Handler lets warnings of former names into the headers of next's answers.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), headerKey{}, w.Header())))
	})
}

// warn tells the client, as the specification has it (1.1, "Warnings").
func warn(ctx context.Context, f names.Former) {
	if h, ok := ctx.Value(headerKey{}).(http.Header); ok {
		text := fmt.Sprintf("%s is called %s now; the old name is good for pulls until %s", f.Name, f.Now,
			f.Until.UTC().Format(time.DateOnly))
		h.Add("Warning", fmt.Sprintf("299 - %q", text))
	}
}
