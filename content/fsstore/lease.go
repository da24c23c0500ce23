package fsstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"sync"

	"cove/content"
	"cove/errdefs"
	"cove/internal/filelock"
)

// Freeze implements content.Leaser. Since nobody makes a lease meanwhile, the
// files of dead ones can go.
func (s *Store) Freeze(ctx context.Context) (func(), error) {
	f, err := s.lock(ctx, filelock.Exclusive)
	if err != nil {
		return nil, err
	}
	if err := s.reap(); err != nil {
		return nil, errors.Join(err, filelock.Release(f))
	}
	return sync.OnceFunc(func() { _ = filelock.Release(f) }), nil
}

// lock takes gc.lock; filelock.Release of the file gives it back.
func (s *Store) lock(ctx context.Context, kind filelock.Kind) (*os.File, error) {
	f, err := s.root.OpenFile("gc.lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, diskError("gc lock", err)
	}
	if err := filelock.Lock(ctx, f, kind); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (s *Store) reap() error {
	return s.eachLease(func(name string, f *os.File) error {
		if filelock.Held(f) {
			return nil
		}
		if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a dead lease: %w", err)
		}
		return nil
	})
}

// Lease implements content.Leaser.
func (s *Store) Lease(ctx context.Context, refs ...string) (content.Lease, error) {
	if err := checkRefs(refs); err != nil {
		return nil, err
	}
	gc, err := s.lock(ctx, filelock.Shared)
	if err != nil {
		return nil, err
	}
	defer filelock.Release(gc)
	name := "leases/" + rand.Text()
	f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, diskError("lease", err)
	}
	l := &lease{s: s, name: name, f: f}
	// The lock must be there before a collector looks, and none does before gc is
	// closed.
	err = filelock.Try(f, filelock.Exclusive)
	if err == nil {
		err = l.append(refs)
	}
	if err != nil {
		return nil, errors.Join(diskError("lease", err), l.Release())
	}
	return l, nil
}

func checkRefs(refs []string) error {
	for _, ref := range refs {
		if ref == "" || strings.ContainsAny(ref, "\n\x00") {
			return errdefs.Errorf(errdefs.ErrInvalid, "lease: ref %q: must not be empty nor hold a line break", ref)
		}
	}
	return nil
}

type lease struct {
	s    *Store
	name string
	mu   sync.Mutex
	f    *os.File // nil once released
}

// append writes all refs in one call, so that a reader never sees half a line.
func (l *lease) append(refs []string) error {
	if len(refs) == 0 {
		return nil
	}
	_, err := l.f.WriteString(strings.Join(refs, "\n") + "\n")
	return err
}

func (l *lease) Add(ctx context.Context, refs ...string) error {
	if err := checkRefs(refs); err != nil {
		return err
	}
	gc, err := l.s.lock(ctx, filelock.Shared)
	if err != nil {
		return err
	}
	defer filelock.Release(gc)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return errdefs.Errorf(errdefs.ErrConflict, "lease: is released")
	}
	if err := l.append(refs); err != nil {
		return diskError("lease", err)
	}
	return nil
}

func (l *lease) Release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.s.root.Remove(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	err = errors.Join(err, filelock.Release(l.f))
	l.f = nil
	return err
}

// Leased implements content.Leaser.
func (s *Store) Leased(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		stop := errors.New("stop")
		err := s.eachLease(func(_ string, f *os.File) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !filelock.Held(f) {
				return nil // its holder is gone
			}
			b, err := io.ReadAll(f)
			if err != nil {
				return fmt.Errorf("reading a lease: %w", err)
			}
			for line := range bytes.Lines(b) {
				if ref, whole := bytes.CutSuffix(line, []byte("\n")); whole && !yield(string(ref), nil) {
					return stop
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield("", err)
		}
	}
}

func (s *Store) eachLease(visit func(name string, f *os.File) error) error {
	entries, err := fs.ReadDir(s.root.FS(), "leases")
	if err != nil {
		return fmt.Errorf("listing leases: %w", err)
	}
	for _, e := range entries {
		name := "leases/" + e.Name()
		f, err := s.root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // released meanwhile
		}
		if err != nil {
			return fmt.Errorf("reading a lease: %w", err)
		}
		if err := errors.Join(visit(name, f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
