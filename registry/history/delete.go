package history

import (
	"context"
	"errors"
	"strconv"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/jobs"
	"cove/registry/metadata"
)

// RemoveRepository is the right to delete all that a repository holds.
const RemoveRepository = rights.Right("repository:delete")

// DeleteKind is the kind of the jobs that delete something.
const DeleteKind = "delete"

// Delete deletes a tag, an artifact with all its tags, or, of a request with neither tag
// nor digest, all that a repository holds. It tells how many artifacts went. What is deleted
// can be had back as long as the collector waits. Beside a server it is one of the
// registry's servers that does it: errdefs.ErrUnavailable says that none has for half a
// minute.
func (h *History) Delete(ctx context.Context, by auth.Caller, r Request) (deleted int, err error) {
	r.Repository = metadata.CanonicalName(r.Repository)
	if err := h.judge.Permit(ctx, h.db, by, rightTo(r), r.Repository); err != nil {
		return 0, err
	}
	if h.bin == nil {
		return h.deletedByServer(ctx, by, r)
	}
	ctx = auth.WithCaller(ctx, by)
	switch {
	case r.Tag != "":
		return 0, h.bin.Registry.DeleteTag(ctx, r.Repository, r.Tag)
	case r.Digest != "":
		if err := h.bin.Registry.DeleteManifest(ctx, r.Repository, r.Digest); err != nil {
			return 0, err
		}
		return 1, nil
	}
	return h.bin.DeleteRepository(ctx, r.Repository)
}

// rightTo is the right to delete what a request names.
func rightTo(r Request) rights.Right {
	if r.Tag == "" && r.Digest == "" {
		return RemoveRepository
	}
	return auth.Delete
}

// DeleteRepository deletes all that a repository holds, as Delete.
func (h *History) DeleteRepository(ctx context.Context, by auth.Caller, repo string) (int, error) {
	return h.Delete(ctx, by, Request{Repository: repo})
}

// deletedByServer has a server do it, and waits for it.
func (h *History) deletedByServer(ctx context.Context, by auth.Caller, r Request) (deleted int, err error) {
	id, err := h.add(ctx, by, DeleteKind, rightTo(r), r)
	if err != nil {
		return 0, err
	}
	note, err := jobs.NewJobs(h.db, h.judge).Await(ctx, id)
	if err != nil {
		return 0, err
	}
	if deleted, err = strconv.Atoi(note); err != nil {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "what a server said of a deletion is no number: %q", note)
	}
	return deleted, nil
}

// deleting does what deletedByServer asks for, as the operator of the machine.
func (h *History) deleting() jobs.Kind {
	return jobs.Kind{Name: DeleteKind, Run: func(ctx context.Context, w *jobs.Work) (string, error) {
		var r Request
		if err := w.Read(&r); err != nil {
			return "", err
		}
		n, err := h.Delete(ctx, auth.Operator(), r)
		if h.bin != nil {
			n, err = h.inAll(ctx, w, r, n, err)
		}
		if err != nil {
			return "", jobs.Final(err)
		}
		return strconv.Itoa(n), nil
	}}
}

// inAll is what came of a deletion together with what a server did of the same job before it
// was killed.
func (h *History) inAll(ctx context.Context, w *jobs.Work, r Request, n int, err error) (int, error) {
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return n, err
	}
	if r.Tag != "" {
		id, failed := h.db.Repository(ctx, r.Repository)
		if err == nil || failed != nil {
			return n, err
		}
		last, failed := entries(ctx, h.db.Querier(), id, Query{Tag: r.Tag, N: 1})
		if failed == nil && len(last) > 0 && last[0].Digest == "" && last[0].Actor == auth.Operator().Name &&
			!last[0].At.Before(w.CreatedAt) {
			return 0, nil
		}
		return n, err
	}
	gone, failed := deletedManifests(ctx, h.db.Querier(), r.Repository, w.CreatedAt, mostRestored)
	if failed != nil {
		return n, errors.Join(err, failed)
	}
	done := 0
	for _, one := range gone {
		if one.By == auth.Operator().Name && (r.Digest == "" || one.Digest == r.Digest) {
			done++
		}
	}
	if done > n || err == nil {
		return max(done, n), nil
	}
	return n, err
}
