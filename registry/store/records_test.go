package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/metadata/metadatatest"
	"cove/registry/records"
	"cove/registry/reindex"
)

// fault is what becomes of the n-th step.
type fault func(n int, step records.Step) error

// kept is a registry with records in a folder, whose steps may fail.
type kept struct {
	*fixture
	t     *testing.T
	dir   string
	mu    sync.Mutex // records are kept at once
	steps int
	fault fault // nil: none fails
	// failed is the first step that did.
	failed int
}

func newKept(t *testing.T, dir string) *kept {
	t.Helper()
	k := &kept{fixture: newFixture(t, metadatatest.OpenSQLite), t: t, dir: dir}
	recs, err := records.OpenFolder(k.dir, records.Options{Fault: func(step records.Step) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.steps++
		if k.fault == nil {
			return nil
		}
		failing := true
		defer func() {
			if failing && k.failed == 0 { // also after a panic
				k.failed = k.steps
			}
		}()
		err := k.fault(k.steps, step)
		failing = err != nil
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = recs.Close() })
	cfg := Config{Store: k.store, DB: k.db, Rights: allowAll{}, Now: k.clock.Now, Records: recs}
	if k.Registry, err = New(t.Context(), cfg, true); err != nil {
		t.Fatal(err)
	}
	return k
}

// tags are what the tags of both repositories name, by database.
func (k *kept) tags(r *Registry) map[string]string {
	k.t.Helper()
	all, ctx := map[string]string{}, admin(k.t.Context())
	for _, repo := range []string{"team/app", "team/deep/er"} {
		names, _, err := r.Tags(ctx, repo, distribution.Page{})
		if err != nil {
			continue // no such repository
		}
		for _, tag := range names {
			m, err := r.GetTag(ctx, repo, tag)
			if err != nil {
				k.t.Fatal(err)
			}
			all[repo+":"+tag] = string(m.Descriptor.Digest)
		}
	}
	return all
}

// reindexed is what the tags name when the database is lost. A record of what was
// deleted may be left, and then its manifest is a problem.
func (k *kept) reindexed() map[string]string {
	k.t.Helper()
	k.fault = nil
	f := newFixture(k.t, metadatatest.OpenSQLite)
	recs, err := records.OpenFolder(k.dir, records.Options{})
	if err != nil {
		k.t.Fatal(err)
	}
	defer recs.Close()
	if _, err := reindex.Run(k.t.Context(), k.store, f.db, recs, func(error) {}); err != nil {
		k.t.Fatal(err)
	}
	r, err := New(k.t.Context(), Config{Store: k.store, DB: f.db, Rights: allowAll{}, Now: k.clock.Now}, true)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.tags(r)
}

// changes are pushes and deletes, which records follow.
func (k *kept) changes() []func(context.Context) error {
	a, b := distributiontest.NewImage(k.t, 10, 100), distributiontest.NewImage(k.t, 20, 100)
	put := func(repo string, img distributiontest.Image, tags ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			for dgst, body := range img.Blobs {
				up, err := k.StartUpload(ctx, repo)
				if err == nil {
					_, err = up.Write(body)
				}
				if err == nil {
					_, err = up.Commit(ctx, dgst)
				}
				if err != nil {
					return err
				}
			}
			_, err := k.PutManifest(ctx, repo, img.Manifest, tags...)
			return err
		}
	}
	return []func(context.Context) error{
		put("team/app", a, "v1", "v2"), put("team/app", b, "v1"), put("team/deep/er", a, "v3"), put("team/app", a, "v4"),
		func(ctx context.Context) error { return k.DeleteTag(ctx, "team/app", "v2") },
		func(ctx context.Context) error {
			return k.DeleteManifest(ctx, "team/app", b.Manifest.Descriptor.Digest)
		},
		put("team/app", b, "v1"),
	}
}

// try calls do and has a panic be an error, as net/http does.
func try(ctx context.Context, do func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return do(ctx)
}

// TestRecordsFault has every step of every record fail: once with an error, with
// a full disk from there on, and with a panic. What was acknowledged is found
// again without the database, what was refused can be done again, and no tag ever
// names what was not pushed to it.
func TestRecordsFault(t *testing.T) {
	t.Parallel()
	eio := errors.New("input/output error")
	kinds := map[string]func(at int) fault{
		"an error": func(at int) fault {
			return func(n int, _ records.Step) error {
				if n == at {
					return eio
				}
				return nil
			}
		},
		"a full disk": func(at int) fault {
			return func(n int, step records.Step) error {
				if n >= at && step != records.StepRemove {
					return unix.ENOSPC
				}
				return nil
			}
		},
		"a panic": func(at int) fault {
			return func(n int, _ records.Step) error {
				if n == at {
					panic("at step " + fmt.Sprint(n))
				}
				return nil
			}
		},
	}
	whole := newKept(t, t.TempDir())
	for _, change := range whole.changes() {
		if err := change(admin(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	want := whole.tags(whole.Registry)
	if got := whole.reindexed(); len(want) != 3 || !maps.Equal(got, want) {
		t.Fatalf("without a fault: %v, reindexed %v", want, got)
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 1; at <= whole.steps; at++ {
				faultAt(t, kind(at), want)
			}
		})
	}
}

func faultAt(t *testing.T, f fault, want map[string]string) {
	t.Helper()
	k, ctx := newKept(t, t.TempDir()), admin(t.Context())
	k.fault = f
	for i, change := range k.changes() {
		err := try(ctx, change)
		if k.failed == 0 || k.fault == nil { // reindexed has ended the faults
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
			continue
		}
		acknowledged, found := k.tags(k.Registry), k.reindexed()
		for tag, dgst := range acknowledged {
			if found[tag] != dgst {
				t.Errorf("step %d, change %d (%v): %s is %q without the database, and %q with it", k.failed, i, err, tag, found[tag], dgst)
			}
		}
		if err == nil {
			continue
		}
		// The disk works again. What panicked at its end may have been done.
		if err := try(ctx, change); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("step %d: change %d once more: %v", k.failed, i, err)
		}
	}
	if got := k.tags(k.Registry); k.failed == 0 || !maps.Equal(got, want) {
		t.Errorf("step %d: %v, want %v", k.failed, got, want)
	}
	found := k.reindexed()
	delete(found, "team/app:v2") // a record of what was deleted may be left
	if !maps.Equal(found, want) {
		t.Errorf("step %d: without the database %v, want %v", k.failed, found, want)
	}
}
