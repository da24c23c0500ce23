package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/webhook/payload"
)

// Attempts lists the newest attempts of a webhook, the newest first.
func (w *Webhooks) Attempts(ctx context.Context, by auth.Caller, project string, id int64) ([]Attempt, error) {
	if _, err := w.Get(ctx, by, project, id); err != nil {
		return nil, err
	}
	return attempts(ctx, w.db.Querier(), id, keptAttempts)
}

// Deliveries lists the deliveries of a webhook, the newest first; more says that there
// are others after these n.
func (w *Webhooks) Deliveries(
	ctx context.Context, by auth.Caller, project string, id int64, q jobs.Query,
) (page []jobs.Job, more bool, err error) {
	if _, err := w.Get(ctx, by, project, id); err != nil {
		return nil, false, err
	}
	q.Kind, q.Subject = Kind, strconv.FormatInt(id, 10)
	return jobs.Page(ctx, w.db.Querier(), q)
}

// Test sends a webhook an event of a push that did not happen, and returns its
// delivery.
func (w *Webhooks) Test(ctx context.Context, by auth.Caller, project string, id int64) (delivery int64, err error) {
	err = w.change(ctx, by, Update, project, func(ctx context.Context, tx *metadata.Tx) error {
		h, err := get(ctx, tx.Querier(), project, id)
		if err != nil {
			return err
		}
		if !h.Enabled {
			return errdefs.Errorf(errdefs.ErrConflict, "webhook %q is disabled; enable it first", h.Name)
		}
		p, err := tx.Project(ctx, project)
		if err != nil {
			return err
		}
		delivery, _, err = jobs.Add(ctx, tx, jobs.New{
			Kind: Kind, Subject: strconv.FormatInt(id, 10), Project: project, By: by.Name, Args: sample(h, p, tx, by),
		})
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "webhook.test", Object: project, Detail: h.about()})
	})
	return delivery, err
}

// sample is an event that did not happen, and says so.
func sample(h Webhook, p metadata.Project, tx *metadata.Tx, by auth.Caller) payload.Event {
	const digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	repo := payload.Repository{
		Created: tx.Now().Unix(), Name: "test", Namespace: p.Name, FullName: p.Name + "/test", Type: "private",
	}
	if p.Public {
		repo.Type = "public"
	}
	return payload.Event{
		ID: newUUID(), Request: newUUID(), Type: h.Events[0], At: tx.Now(), Operator: by.Name, Project: p.ID,
		Data: payload.Data{
			Resources: []payload.Resource{{Digest: digest, Tag: "test"}}, Repository: &repo,
			Custom: map[string]string{"test": "true", payload.Details: "this is a test of the webhook " + h.Name},
		},
	}
}

// Stop ends a delivery of a webhook that waits or is tried.
func (w *Webhooks) Stop(ctx context.Context, by auth.Caller, project string, id, delivery int64) error {
	return w.change(ctx, by, Update, project, func(ctx context.Context, tx *metadata.Tx) error {
		if _, err := get(ctx, tx.Querier(), project, id); err != nil {
			return err
		}
		return jobs.Stop(ctx, tx, by, jobs.Which{ID: delivery, Kind: Kind, Subject: strconv.FormatInt(id, 10)})
	})
}

// Retry sends what a delivery that has ended was to send again, and returns the new
// delivery.
func (w *Webhooks) Retry(
	ctx context.Context, by auth.Caller, project string, id, delivery int64,
) (again int64, err error) {
	err = w.change(ctx, by, Update, project, func(ctx context.Context, tx *metadata.Tx) error {
		if _, err := get(ctx, tx.Querier(), project, id); err != nil {
			return err
		}
		again, err = jobs.Retry(ctx, tx, by, jobs.Which{ID: delivery, Kind: Kind, Subject: strconv.FormatInt(id, 10)})
		return err
	})
	return again, err
}

// withoutAddress is what went wrong with a request, without the address, which may
// hold a secret.
func withoutAddress(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if errors.Is(err, errdefs.ErrDenied) {
		return err
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "%w", err)
}

// EventOf is what a delivery tells of; "" of a job that is none.
func EventOf(j jobs.Job) payload.Type {
	var e struct{ Type payload.Type }
	if j.Kind != Kind || json.Unmarshal(j.Args, &e) != nil {
		return ""
	}
	return e.Type
}
