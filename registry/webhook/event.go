package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/webhook/payload"
)

// Event is something that happened, as whoever did it tells it.
type Event struct {
	Type payload.Type
	// Repository is its full name. An event of a project as a whole has Project alone.
	Repository, Project string
	Resources           []payload.Resource // digest and tag
	Operator            string
	// At is when it happened; zero is the time of the write.
	At time.Time
	// Replication, Retention and Custom are for the types that have them.
	Replication *payload.Replication
	Retention   *payload.Retention
	Custom      map[string]string
}

const (
	// Kind is that of the jobs that deliver.
	Kind = "webhook"
	// perDelivery bounds the resources that one delivery names.
	perDelivery = 100
	// maxWaiting bounds the deliveries of one webhook that have not ended.
	maxWaiting = 5000
	// anonymous is the operator of what nobody in particular did.
	anonymous = "anonymous"
)

// Emit has the webhooks of a project that listen to an event hear of it, within the
// transaction that makes it: neither is there without the other. It costs one query
// where nobody listens. What a receiver that does not answer has waiting is bounded:
// then events are counted as lost, and what happens in the registry goes on.
func Emit(ctx context.Context, tx *metadata.Tx, e Event) error {
	if e.Project == "" {
		e.Project = metadata.ProjectOf(e.Repository)
	}
	hooks, err := listeners(ctx, tx.Querier(), e.Project, e.Type)
	if err != nil || len(hooks) == 0 {
		return err
	}
	repo, err := repository(ctx, tx.Querier(), e.Repository)
	if err != nil {
		return err
	}
	request := newUUID()
	for part := range parts(e.Resources) {
		for _, hook := range hooks {
			event := payload.Event{
				ID: newUUID(), Request: request, Type: e.Type, At: e.At, Operator: e.Operator, Project: hook.project,
				Data: payload.Data{
					Resources: part, Repository: repo, Replication: e.Replication, Retention: e.Retention,
					Custom: e.Custom,
				},
			}
			if event.At.IsZero() {
				event.At = tx.Now()
			}
			if event.Operator == "" {
				event.Operator = anonymous
			}
			if err := enqueue(ctx, tx, hook, e.Project, event); err != nil {
				return err
			}
		}
	}
	return nil
}

// Publish is Emit for what is no change of the database, as a push that was refused.
func Publish(ctx context.Context, database *metadata.DB, e Event) error {
	project := e.Project
	if project == "" {
		project = metadata.ProjectOf(e.Repository)
	}
	if hooks, err := listeners(ctx, database.Querier(), project, e.Type); err != nil || len(hooks) == 0 {
		return err
	}
	return database.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error { return Emit(ctx, tx, e) })
}

// parts are as many resources as one delivery names; an event without any is one part.
func parts(all []payload.Resource) func(yield func([]payload.Resource) bool) {
	all = slices.Clone(all)
	for i := range all {
		if all[i].Tag == "" {
			all[i].Tag = all[i].Digest
		}
	}
	if len(all) == 0 {
		return func(yield func([]payload.Resource) bool) { yield(nil) }
	}
	return slices.Chunk(all, perDelivery)
}

// listener is a webhook that hears of something.
type listener struct{ id, project int64 }

// listeners are the webhooks of a project that are to hear of a type.
func listeners(ctx context.Context, q db.Querier, project string, t payload.Type) ([]listener, error) {
	return db.All(ctx, q, func(s db.Scanner) (l listener, err error) {
		err = s.Scan(&l.id, &l.project)
		return l, err
	}, `SELECT w.id, w.project_id FROM projects p JOIN webhooks w ON w.project_id = p.id
		WHERE p.name = $1 AND w.enabled = 1 AND w.events LIKE $2 ESCAPE '\' ORDER BY w.id`,
		project, "% "+strings.ReplaceAll(string(t), "_", `\_`)+" %")
}

// repository is one as events show it; nil of "" and of one that is gone.
func repository(ctx context.Context, q db.Querier, name string) (*payload.Repository, error) {
	all, err := db.All(ctx, q, func(s db.Scanner) (*payload.Repository, error) {
		var created, public int64
		project, short, _ := strings.Cut(name, "/")
		err := s.Scan(&created, &public)
		r := &payload.Repository{
			Created: time.UnixMicro(created).Unix(), Name: short, Namespace: project, FullName: name, Type: "private",
		}
		if public != 0 {
			r.Type = "public"
		}
		return r, err
	}, "SELECT r.created_at, p.public FROM repositories r JOIN projects p ON p.id = r.project_id WHERE r.name = $1", name)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// enqueue adds the job of a delivery, or counts what a receiver has lost.
func enqueue(ctx context.Context, tx *metadata.Tx, hook listener, project string, event payload.Event) error {
	subject := strconv.FormatInt(hook.id, 10)
	var waiting int
	err := tx.Querier().Row(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM jobs
		WHERE kind = $1 AND subject = $2 AND ended_at = 0 LIMIT $3) AS counted`,
		Kind, subject, maxWaiting).Scan(&waiting)
	if err != nil {
		return db.Unavailable(err)
	}
	if waiting >= maxWaiting {
		_, err := tx.Querier().Exec(ctx, "UPDATE webhooks SET lost = lost + 1 WHERE id = $1", hook.id)
		return db.Unavailable(err)
	}
	_, _, err = jobs.Add(ctx, tx, jobs.New{
		Kind: Kind, Subject: subject, Project: project, By: event.Operator, Args: event,
	})
	return err
}

// newUUID is a random one (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
