package memstore

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"cove/content"
	"cove/errdefs"
)

// thawed takes the token that a Freeze holds and gives it back by the returned
// function. Adding a lease is so short that adders need not share it.
func (s *Store) thawed(ctx context.Context) (func(), error) {
	select {
	case s.gc <- struct{}{}:
		return sync.OnceFunc(func() { <-s.gc }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Freeze implements content.Leaser.
func (s *Store) Freeze(ctx context.Context) (func(), error) { return s.thawed(ctx) }

// Lease implements content.Leaser.
func (s *Store) Lease(ctx context.Context, refs ...string) (content.Lease, error) {
	l := &lease{s: s}
	if err := l.Add(ctx, refs...); err != nil {
		return nil, err
	}
	return l, nil
}

// Leased implements content.Leaser.
func (s *Store) Leased(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.mu.Lock()
		var refs []string
		for l := range s.leases {
			refs = append(refs, l.refs...)
		}
		s.mu.Unlock()
		for _, ref := range refs {
			if !yield(ref, ctx.Err()) || ctx.Err() != nil {
				return
			}
		}
	}
}

type lease struct {
	s        *Store
	refs     []string // under s.mu
	released bool
}

func (l *lease) Add(ctx context.Context, refs ...string) error {
	if slices.ContainsFunc(refs, func(r string) bool { return r == "" || strings.ContainsAny(r, "\n\x00") }) {
		return errdefs.Errorf(errdefs.ErrInvalid, "lease: refs %q: must not be empty nor hold a line break", refs)
	}
	done, err := l.s.thawed(ctx)
	if err != nil {
		return err
	}
	defer done()
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.released {
		return errdefs.Errorf(errdefs.ErrConflict, "lease: is released")
	}
	l.refs = append(l.refs, refs...)
	l.s.leases[l] = struct{}{}
	return nil
}

func (l *lease) Release() error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.released = true
	delete(l.s.leases, l)
	return nil
}
