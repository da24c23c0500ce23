package s3store_test

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"cove/content"
	"cove/content/contenttest"
	"cove/content/s3store"
	"cove/content/s3store/objects"
	"cove/content/s3store/s3test"
	"cove/errdefs"
)

func TestStore(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	contenttest.RunBlobs(t, func(t *testing.T) content.BlobStore {
		return newStore(t, server.Bucket(t), &states{})
	})
}

func newStore(t *testing.T, b *objects.Bucket, st s3store.States) *s3store.Store {
	t.Helper()
	s, err := s3store.New(b, s3store.Options{States: st, Spool: s3test.Dir(t), PartSize: 5 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// states are those of one process and its tests.
type states struct {
	mu    sync.Mutex
	saved map[string]s3store.Saved
	held  map[string]*claim
}

type claim struct {
	s      *states
	id     string
	before []byte
}

func (s *states) Claim(_ context.Context, id string) (s3store.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held, s.saved = map[string]*claim{}, map[string]s3store.Saved{}
	}
	if s.held[id] != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "somebody else has it")
	}
	c := &claim{s, id, s.saved[id].State}
	s.held[id] = c
	return c, nil
}

// lose ends all claims, as the death of their process does.
func (s *states) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.held)
}

func (s *states) All(context.Context) iter.Seq2[s3store.Saved, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []s3store.Saved
	for _, saved := range s.saved {
		all = append(all, saved)
	}
	return func(yield func(s3store.Saved, error) bool) {
		for saved := range slices.Values(all) {
			if !yield(saved, nil) {
				return
			}
		}
	}
}

func (c *claim) State() []byte { return c.before }

func (c *claim) Save(_ context.Context, state []byte) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.held[c.id] != c {
		return errdefs.Errorf(errdefs.ErrConflict, "the claim is lost")
	}
	c.s.saved[c.id] = s3store.Saved{Key: c.id, State: state, At: time.Now()}
	return nil
}

func (c *claim) Drop(context.Context) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	delete(c.s.saved, c.id)
	return nil
}

func (c *claim) Release() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.held[c.id] == c {
		delete(c.s.held, c.id)
	}
}
