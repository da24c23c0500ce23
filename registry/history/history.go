// Package history tells who had which tag name what and when, and brings back what
// tags named and what was deleted, as long as its bytes are there.
package history

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/internal/plural"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// The rights that the history takes.
const (
	Look = rights.Right("tag:list")
	Undo = auth.Push
)

// JobKind is the kind of the jobs that bring something back.
const JobKind = "restore"

// History reads the history of tags. Who may not gets the errors of auth.Judge's
// Permit.
type History struct {
	db    *metadata.DB
	judge auth.Judge
	bin   *Bin // nil beside a server: it is asked by a job
}

// New reads the history in db. Without a bin nothing is brought back but by a job of
// a server.
func New(database *metadata.DB, judge auth.Judge, bin *Bin) *History {
	return &History{database, judge, bin}
}

// Entry is one change of a tag.
type Entry struct {
	ID               int64
	Tag              string
	Digest, Previous digest.Digest // "": it named nothing
	Actor            string
	At               time.Time
}

// Page lists the changes of the tags of a repository, or of one tag unless it is "",
// the newest first: those before an entry unless that is 0, at most n.
func (h *History) Page(ctx context.Context, by auth.Caller, q Query) (page []Entry, more bool, err error) {
	if err := h.judge.Permit(ctx, h.db, by, Look, q.Repository); err != nil {
		return nil, false, err
	}
	id, err := h.db.Repository(ctx, q.Repository)
	if err != nil {
		return nil, false, err
	}
	page, err = entries(ctx, h.db.Querier(), id, q)
	if len(page) > q.N {
		return page[:q.N], true, err
	}
	return page, false, err
}

// Query asks for a page of changes.
type Query struct {
	Repository, Tag string
	Before          int64
	N               int
}

func entries(ctx context.Context, q db.Querier, repoID int64, want Query) ([]Entry, error) {
	stmt := "SELECT id, name, digest, previous, actor, at FROM tag_history WHERE repository_id = $1"
	args := []any{repoID}
	if want.Tag != "" {
		args = append(args, want.Tag)
		stmt += " AND name = $2"
	}
	if want.Before > 0 {
		args = append(args, want.Before)
		stmt += " AND id < $" + strconv.Itoa(len(args))
	}
	args = append(args, want.N+1)
	return db.All(ctx, q, func(s db.Scanner) (e Entry, err error) {
		var at int64
		err = s.Scan(&e.ID, &e.Tag, &e.Digest, &e.Previous, &e.Actor, &at)
		e.At = time.UnixMicro(at)
		return e, err
	}, stmt+" ORDER BY id DESC LIMIT $"+strconv.Itoa(len(args)), args...)
}

// Deleted lists the artifacts of a repository that can be had back, the newest
// first.
func (h *History) Deleted(ctx context.Context, by auth.Caller, repo string) ([]Deleted, error) {
	if err := h.judge.Permit(ctx, h.db, by, Look, repo); err != nil {
		return nil, err
	}
	const most = 500
	return deletedManifests(ctx, h.db.Querier(), repo, h.db.Now().Add(-h.grace()), most)
}

func (h *History) grace() time.Duration {
	if h.bin == nil {
		return 7 * 24 * time.Hour // the server knows better
	}
	return h.bin.Grace()
}

// Request says what is to be brought back: a tag to what it named before it was
// deleted, or, with Digest, to that; without a tag the artifact of the digest with
// the tags that it had; with neither all that was deleted of the repository.
type Request struct {
	Repository string        `json:"repository"`
	Tag        string        `json:"tag,omitempty"`
	Digest     digest.Digest `json:"digest,omitempty"`
	// Back has a tag that names something name what it did before.
	Back bool `json:"back,omitempty"`
	// Deleted is how many artifacts there were to bring back when a job for all of a
	// repository began; 0 is not known.
	Deleted int `json:"deleted,omitempty"`
}

// Restore brings something back, and tells what. What the collector has taken, or
// was never there, is errdefs.ErrNotFound; a tag that names something by now and is
// not to go back is errdefs.ErrConflict. Beside a server it is one of the registry's
// servers that does it: errdefs.ErrUnavailable says that none has for half a minute.
func (h *History) Restore(ctx context.Context, by auth.Caller, r Request) (done string, err error) {
	r.Repository = metadata.CanonicalName(r.Repository)
	if err := h.judge.Permit(ctx, h.db, by, Undo, r.Repository); err != nil {
		return "", err
	}
	if h.bin == nil {
		return h.byServer(ctx, by, r)
	}
	ctx = auth.WithCaller(ctx, by)
	switch {
	case r.Tag != "":
		return h.restoreTag(ctx, r)
	case r.Digest != "":
		gone, err := deletedManifest(ctx, h.db.Querier(), r.Repository, r.Digest)
		if err != nil {
			return "", err
		}
		return h.restoreArtifact(ctx, r.Repository, gone)
	}
	return h.restoreAll(ctx, r.Repository, r.Deleted)
}

func (h *History) restoreTag(ctx context.Context, r Request) (string, error) {
	id, err := h.db.Repository(ctx, r.Repository)
	if err != nil {
		return "", err
	}
	now, err := h.db.ManifestByTag(ctx, r.Repository, r.Tag)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return "", err
	}
	to := r.Digest
	if to == "" {
		if now.Digest != "" && !r.Back {
			return "", errdefs.Errorf(errdefs.ErrConflict, "tag %s names %s; it was not deleted", r.Tag, now.Digest)
		}
		last, err := entries(ctx, h.db.Querier(), id, Query{Tag: r.Tag, N: 1})
		if err != nil {
			return "", err
		}
		if len(last) == 0 || last[0].Previous == "" {
			return "", errdefs.Errorf(errdefs.ErrNotFound, "tag %s of %s named nothing before", r.Tag, r.Repository)
		}
		to = last[0].Previous
	}
	if err := h.bin.Restore(ctx, r.Repository, to, r.Tag); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%s names %s", r.Repository, r.Tag, to), nil
}

// restoreArtifact gives an artifact those of its tags that name nothing by now.
func (h *History) restoreArtifact(ctx context.Context, repo string, gone Deleted) (string, error) {
	var tags []string
	for _, tag := range gone.Tags {
		switch _, err := h.db.ManifestByTag(ctx, repo, tag); {
		case errors.Is(err, errdefs.ErrNotFound):
			tags = append(tags, tag)
		case err != nil:
			return "", err
		}
	}
	return fmt.Sprintf("%s@%s is back", repo, gone.Digest), h.bin.Restore(ctx, repo, gone.Digest, tags...)
}

// mostRestored is how many artifacts are brought back at once.
const mostRestored = 100_000

func (h *History) restorable(ctx context.Context, repo string) ([]Deleted, error) {
	return deletedManifests(ctx, h.db.Querier(), repo, h.db.Now().Add(-h.grace()), mostRestored)
}

// restoreAll brings back what there is of a repository; there were so many artifacts when
// it was begun, some of which may be back since.
func (h *History) restoreAll(ctx context.Context, repo string, there int) (string, error) {
	all, err := h.restorable(ctx, repo)
	if err != nil {
		return "", err
	}
	if len(all) == 0 && there == 0 {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "nothing of %s was deleted that is still there", repo)
	}
	back, lost := max(there-len(all), 0), 0
	for _, gone := range all {
		switch _, err := h.restoreArtifact(ctx, repo, gone); {
		case err == nil:
			back++
		case errors.Is(err, errdefs.ErrNotFound):
			lost++
		default:
			return "", err
		}
	}
	done := plural.Sprintf("%d artifacts of %s are back", back, repo)
	if lost > 0 {
		done += fmt.Sprintf(", %d are collected", lost)
	}
	return done, nil
}

// Ask has a server bring something back, by a job.
func (h *History) Ask(ctx context.Context, by auth.Caller, r Request) (job int64, err error) {
	r.Repository = metadata.CanonicalName(r.Repository)
	return h.add(ctx, by, JobKind, Undo, r)
}

// add asks a server for something, for who has the right to it.
func (h *History) add(
	ctx context.Context, by auth.Caller, kind string, right rights.Right, r Request,
) (job int64, err error) {
	err = h.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := h.judge.Permit(ctx, tx, by, right, r.Repository); err != nil {
			return err
		}
		if _, err := tx.Repository(ctx, r.Repository); err != nil {
			return err
		}
		job, _, err = jobs.Add(ctx, tx, jobs.New{
			Kind: kind, Subject: r.Repository, Project: metadata.ProjectOf(r.Repository), By: by.Name, Args: r,
		})
		return err
	})
	return job, err
}

// byServer has a server do it, and waits for it.
func (h *History) byServer(ctx context.Context, by auth.Caller, r Request) (done string, err error) {
	id, err := h.Ask(ctx, by, r)
	if err != nil {
		return "", err
	}
	return jobs.NewJobs(h.db, h.judge).Await(ctx, id)
}

// Kinds are the jobs over many tags, and those that do what is asked for beside a server, as
// the operator of the machine.
func (h *History) Kinds() []jobs.Kind {
	restoring := func(ctx context.Context, w *jobs.Work) (string, error) {
		var r Request
		if err := w.Read(&r); err != nil {
			return "", err
		}
		if whole := r.Tag == "" && r.Digest == ""; whole && r.Deleted == 0 && h.bin != nil {
			all, err := h.restorable(ctx, r.Repository)
			if err != nil {
				return "", err
			}
			if r.Deleted = len(all); r.Deleted > 0 {
				if err := w.Remember(ctx, h.db, r); err != nil {
					return "", err
				}
			}
		}
		return h.Restore(ctx, auth.Operator(), r)
	}
	return []jobs.Kind{
		h.deleting(),
		{Name: JobKind, Run: restoring},
		{Name: UntagKind, Run: h.untag, Tries: 3},
		{Name: RetagKind, Run: h.retag, Tries: 3},
	}
}
