package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"cove/distribution"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/webhook/payload"
)

// refusedEvery is how often a project's webhooks hear that its quota is used up: a
// client that pushes sends many requests.
const refusedEvery = time.Minute

// Refusals has webhooks hear of pushes for which a project has no room. It is safe for
// concurrent use; db is required.
type Refusals struct {
	db   *metadata.DB
	mu   sync.Mutex
	last map[string]time.Time // by project
}

// NewRefusals tells the webhooks of a database.
func NewRefusals(database *metadata.DB) *Refusals {
	return &Refusals{db: database, last: map[string]time.Time{}}
}

// Tell emits that a quota is exceeded, if that is why a request was refused.
func (r *Refusals) Tell(ctx context.Context, refused error) error {
	var full *distribution.QuotaError
	if !errors.As(refused, &full) || !r.due(full.Project, time.Now()) {
		return nil
	}
	return Publish(context.WithoutCancel(ctx), r.db, Event{
		Type: payload.QuotaExceed, Project: full.Project, Operator: auth.CallerOf(ctx).Name,
		Custom: map[string]string{payload.Details: full.Error()},
	})
}

// due says whether a project was not told of for a while, and notes that it is now.
func (r *Refusals) due(project string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.last[project]) < refusedEvery {
		return false
	}
	for name, at := range r.last { // what is old needs no place
		if now.Sub(at) >= refusedEvery {
			delete(r.last, name)
		}
	}
	r.last[project] = now
	return true
}
