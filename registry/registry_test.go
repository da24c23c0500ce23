package registry

import (
	"context"
	"sync"
	"testing"
	"time"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type allowAll struct{}

func (allowAll) May(context.Context, distribution.Action, string) bool { return true }

// admin is the context of a caller who may do everything.
func admin(ctx context.Context) context.Context {
	return auth.WithCaller(ctx, auth.Caller{UserID: 1, Name: "admin", Admin: true})
}

type fixture struct {
	*Registry
	clock *clock
	store content.Store
	db    *metadata.DB
}

func newFixture(t testing.TB, open func(testing.TB, func() time.Time) *metadata.DB) *fixture {
	t.Helper()
	f := &fixture{clock: newClock()}
	f.store = memstore.New(f.clock.Now)
	f.db = open(t, f.clock.Now)
	var err error
	f.Registry, err = New(t.Context(), Config{Store: f.store, DB: f.db, Rights: allowAll{}, Now: f.clock.Now}, true)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestContract(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		distributiontest.Run(t, func(t *testing.T) distributiontest.Subject {
			return distributiontest.Subject{Registry: newFixture(t, open).Registry, Context: admin(t.Context())}
		})
	})
}
