package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/webhook/payload"
)

// The headers of a delivery, besides Authorization.
const (
	// SignatureHeader is "sha256=" and the HMAC-SHA256 of the body in hexadecimal, by
	// the webhook's secret.
	SignatureHeader = "X-Cove-Signature-256"
	// EventHeader is the event's type.
	EventHeader = "X-Cove-Event"
	// DeliveryHeader is the same in each attempt of a delivery.
	DeliveryHeader = "X-Cove-Delivery"
)

const (
	tries = 12 // over about five hours
	// keptAttempts is how many attempts of a webhook are kept.
	keptAttempts = 200
	// maxError bounds what is kept of an error.
	maxError = 500
	longest  = time.Hour
)

// Kind is what a server's runner does with deliveries.
func (w *Webhooks) Kind() jobs.Kind {
	plain, lax := w.cfg.Outbound.Client(outbound.Options{}), w.cfg.Outbound.Client(outbound.Options{SkipVerify: true})
	return jobs.Kind{
		Name: Kind, Tries: tries, Limit: 16, OfProject: 4, Longest: time.Minute,
		Pause: func(failures int) time.Duration {
			const first = 10 * time.Second
			return min(first<<min(failures-1, 16), longest)
		},
		Run: func(ctx context.Context, work *jobs.Work) (string, error) {
			return w.deliver(ctx, work, func(h Webhook) *http.Client {
				if h.SkipVerify {
					return lax
				}
				return plain
			})
		},
	}
}

// deliver sends one event to one receiver, once.
func (w *Webhooks) deliver(ctx context.Context, work *jobs.Work, by func(Webhook) *http.Client) (string, error) {
	id, err := strconv.ParseInt(work.Subject, 10, 64)
	if err != nil {
		return "", jobs.Final(errdefs.Errorf(errdefs.ErrInvalid, "%q is no webhook", work.Subject))
	}
	h, err := scanHook(w.db.Querier().Row(ctx, selectHook+"WHERE w.id = $1", id))
	if err = db.NotFound(err, "the webhook was removed"); errors.Is(err, errdefs.ErrNotFound) {
		return "not sent: the webhook was removed", nil
	}
	if err != nil {
		return "", err
	}
	if !h.Enabled {
		return "not sent: the webhook is disabled", nil
	}
	var event payload.Event
	if err := work.Read(&event); err != nil {
		return "", err
	}
	at, began := w.db.Now(), time.Now()
	status, err := w.send(ctx, by(h), &h, work.ID, event)
	a := Attempt{Delivery: work.ID, Event: event.Type, At: at, Took: time.Since(began), Status: status}
	if err != nil {
		a.Error = err.Error()[:min(len(err.Error()), maxError)] // shown, never compared
	}
	if failed := w.keep(context.WithoutCancel(ctx), h.ID, a); failed != nil {
		return "", failed
	}
	switch {
	case errors.Is(err, errdefs.ErrDenied) || errors.Is(err, errdefs.ErrInvalid) || status == http.StatusGone:
		return "", jobs.Final(err)
	case err != nil:
		return "", errors.Join(err, w.holdBack(context.WithoutCancel(ctx), work))
	}
	return fmt.Sprintf("%s answered %d", h.Receiver(), status), nil
}

// send makes the request of a delivery. Its error is of kind errdefs.ErrDenied where
// the policy forbids the address, and errdefs.ErrUnavailable when the receiver did not
// take it.
func (w *Webhooks) send(
	ctx context.Context, client *http.Client, h *Webhook, delivery int64, event payload.Event,
) (status int, err error) {
	contentType, body, err := payload.Body(h.Format, event, payload.Place{Host: w.cfg.Host, Webhook: h.ID})
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	if err := w.sign(r, h, body); err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", "cove-registry")
	r.Header.Set(EventHeader, string(event.Type))
	r.Header.Set(DeliveryHeader, strconv.FormatInt(delivery, 10))
	resp, err := client.Do(r)
	if err != nil {
		return 0, withoutAddress(err)
	}
	_ = resp.Body.Close() // what it says is nobody's here: it may be of another network
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, errdefs.Errorf(errdefs.ErrUnavailable, "%s answered %s", h.Receiver(), resp.Status)
	}
	return resp.StatusCode, nil
}

func (w *Webhooks) sign(r *http.Request, h *Webhook, body []byte) error {
	header, err := w.cfg.Box.Open(h.auth, sealedFor(h.ID, "header"))
	if err != nil {
		return err
	}
	secret, err := w.cfg.Box.Open(h.secret, sealedFor(h.ID, "secret"))
	if err != nil {
		return err
	}
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	if secret != "" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		r.Header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return nil
}

// holdBack has what else waits for a receiver that fails wait as long: it must not
// take the places of the others.
func (w *Webhooks) holdBack(ctx context.Context, work *jobs.Work) error {
	until := w.db.Now().Add(w.Kind().Pause(work.Attempts))
	return w.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Querier().Exec(ctx, `UPDATE jobs SET due_at = $3
			WHERE kind = $1 AND subject = $2 AND ended_at = 0 AND state = 'waiting' AND attempts = 0 AND due_at < $3`,
			Kind, work.Subject, db.Micros(until))
		return db.Unavailable(err)
	})
}

// keep writes an attempt down and forgets old ones.
func (w *Webhooks) keep(ctx context.Context, hook int64, a Attempt) error {
	return w.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		q := tx.Querier()
		changed, err := q.Exec(
			ctx,
			`INSERT INTO webhook_attempts (id, webhook_id, delivery, event, at, took, status, error)
			SELECT $1, id, $3, $4, $5, $6, $7, $8 FROM webhooks WHERE id = $2`,
			tx.Tx.NewID(),
			hook,
			a.Delivery,
			string(a.Event),
			db.Micros(a.At),
			a.Took.Microseconds(),
			a.Status,
			a.Error,
		)
		if err == nil && changed > 0 {
			_, err = q.Exec(ctx, `DELETE FROM webhook_attempts WHERE webhook_id = $1 AND id <=
				(SELECT id FROM webhook_attempts WHERE webhook_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)`,
				hook, keptAttempts)
		}
		return db.Unavailable(err)
	})
}

func attempts(ctx context.Context, q db.Querier, hook int64, n int) ([]Attempt, error) {
	return db.All(ctx, q, func(s db.Scanner) (a Attempt, err error) {
		var at, took int64
		err = s.Scan(&a.ID, &a.Delivery, &a.Event, &at, &took, &a.Status, &a.Error)
		a.At, a.Took = time.UnixMicro(at), time.Duration(took)*time.Microsecond
		return a, err
	}, `SELECT id, delivery, event, at, took, status, error FROM webhook_attempts
		WHERE webhook_id = $1 ORDER BY id DESC LIMIT $2`, hook, n)
}
