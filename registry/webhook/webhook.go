// Package webhook tells others of what happens in a project: a webhook is an address,
// the types of events that it hears of, and the format that it takes them in.
//
// Who does something tells it by [Emit], within the transaction of the change: the
// deliveries are jobs of package jobs, so that none is lost with a server and no push
// waits for a receiver. They go out by package outbound, which keeps them out of the
// registry's own network.
package webhook

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/outbound"
	"cove/registry/seal"
	"cove/registry/webhook/payload"
)

// The rights that webhooks take, as Harbor calls them.
const (
	List   = rights.Right("notification-policy:list")
	Create = rights.Right("notification-policy:create")
	Update = rights.Right("notification-policy:update")
	Remove = rights.Right("notification-policy:delete")
)

const (
	// maxHooks bounds the webhooks of a project: each is looked at with every push.
	maxHooks = 50
	// maxText bounds names and secrets, in bytes.
	maxText = 1000
)

// Webhook is one as it is shown: without its secrets.
type Webhook struct {
	ID            int64
	Project, Name string
	Enabled       bool
	URL           string
	Format        payload.Format
	Events        []payload.Type
	SkipVerify    bool
	HasAuth       bool // sends an Authorization header
	HasSecret     bool // signs what it sends
	Lost          int64
	By            string
	CreatedAt     time.Time
	ChangedAt     time.Time
	Last          *Attempt // the newest; nil before the first

	auth, secret string // sealed
	projectID    int64
}

// Attempt is one try to deliver.
type Attempt struct {
	ID, Delivery int64
	Event        payload.Type
	At           time.Time
	Took         time.Duration
	Status       int    // of HTTP; 0 when no answer came
	Error        string // "" when the receiver took it
}

// Config is what webhooks need. Box and DB are required.
type Config struct {
	DB    *metadata.DB
	Judge auth.Judge
	Box   *seal.Box
	// Outbound says where deliveries may go.
	Outbound outbound.Policy
	// Host is HOST[:PORT] of the registry, for the addresses of artifacts.
	Host string
}

// Webhooks manages the webhooks of all projects. It works beside running servers;
// those deliver. Who may not do something gets the errors of auth.Judge's Permit.
type Webhooks struct {
	cfg Config
	db  *metadata.DB
}

// New manages the webhooks of a database.
func New(cfg Config) *Webhooks { return &Webhooks{cfg: cfg, db: cfg.DB} }

// Spec is what is said of a webhook. A nil field stays as it is, or, of a new one, is
// what it is without.
type Spec struct {
	Name, URL           *string
	Enabled, SkipVerify *bool
	Format              *payload.Format
	Events              *[]payload.Type // none is all
	// Authorization is sent as the header of that name; "" sends none.
	Authorization *string
	// Secret is the key of the signature; "" signs nothing.
	Secret *string
	// If refuses a change that is not one of what the caller has seen.
	If func(now Webhook) error
}

const selectHook = `SELECT w.id, p.name, p.id, w.name, w.enabled, w.url, w.format, w.events, w.skip_verify, w.auth_header,
	w.secret, w.lost, w.created_by, w.created_at, w.changed_at FROM webhooks w JOIN projects p ON p.id = w.project_id `

func scanHook(s db.Scanner) (h Webhook, err error) {
	var enabled, skip, created, changed int64
	var events string
	err = s.Scan(
		&h.ID,
		&h.Project,
		&h.projectID,
		&h.Name,
		&enabled,
		&h.URL,
		&h.Format,
		&events,
		&skip,
		&h.auth,
		&h.secret,
		&h.Lost,
		&h.By,
		&created,
		&changed,
	)
	for word := range strings.FieldsSeq(events) {
		h.Events = append(h.Events, payload.Type(word))
	}
	h.Enabled, h.SkipVerify, h.HasAuth, h.HasSecret = enabled != 0, skip != 0, h.auth != "", h.secret != ""
	h.CreatedAt, h.ChangedAt = time.UnixMicro(created), time.UnixMicro(changed)
	return h, err
}

// List lists the webhooks of a project by name, each with its last attempt.
func (w *Webhooks) List(ctx context.Context, by auth.Caller, project string) ([]Webhook, error) {
	if err := w.permit(ctx, by, List, project); err != nil {
		return nil, err
	}
	all, err := db.All(ctx, w.db.Querier(), scanHook, selectHook+"WHERE p.name = $1 ORDER BY w.name", project)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if err := w.withLast(ctx, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Get is one webhook of a project, or errdefs.ErrNotFound.
func (w *Webhooks) Get(ctx context.Context, by auth.Caller, project string, id int64) (Webhook, error) {
	if err := w.permit(ctx, by, List, project); err != nil {
		return Webhook{}, err
	}
	h, err := get(ctx, w.db.Querier(), project, id)
	if err == nil {
		err = w.withLast(ctx, &h)
	}
	return h, err
}

func (w *Webhooks) permit(ctx context.Context, by auth.Caller, right auth.Right, project string) error {
	if err := w.cfg.Judge.Permit(ctx, w.db, by, right, project); err != nil {
		return err
	}
	_, err := w.db.Project(ctx, project)
	return err
}

func get(ctx context.Context, q db.Querier, project string, id int64) (Webhook, error) {
	h, err := scanHook(q.Row(ctx, selectHook+"WHERE w.id = $1 AND p.name = $2", id, project))
	return h, db.NotFound(err, "project %q has no webhook %d", project, id)
}

func (w *Webhooks) withLast(ctx context.Context, h *Webhook) error {
	last, err := attempts(ctx, w.db.Querier(), h.ID, 1)
	if err == nil && len(last) > 0 {
		h.Last = &last[0]
	}
	return err
}

// Create adds a webhook to a project. Name and URL are required; one of that name is
// errdefs.ErrExists.
func (w *Webhooks) Create(ctx context.Context, by auth.Caller, project string, s Spec) (h Webhook, err error) {
	err = w.change(ctx, by, Create, project, func(ctx context.Context, tx *metadata.Tx) error {
		p, err := tx.ProjectForUpdate(ctx, project)
		if err != nil {
			return err
		}
		var there int
		err = tx.Querier().Row(ctx, "SELECT COUNT(*) FROM webhooks WHERE project_id = $1", p.ID).Scan(&there)
		if err != nil {
			return db.Unavailable(err)
		}
		if there >= maxHooks {
			return errdefs.Errorf(
				errdefs.ErrConflict,
				"project %q has %d webhooks already; remove one first",
				project,
				there,
			)
		}
		h = Webhook{
			ID: tx.Tx.NewID(), Project: project, projectID: p.ID, Enabled: true, Format: payload.Default,
			Events: payload.Types(), By: by.Name, CreatedAt: tx.Now(),
		}
		if err := w.apply(&h, s); err != nil {
			return err
		}
		if err := w.store(ctx, tx, &h); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "webhook.create", Object: project, Detail: h.about()})
	})
	return h, err
}

// Change changes what the spec says of a webhook.
func (w *Webhooks) Change(
	ctx context.Context, by auth.Caller, project string, id int64, s Spec,
) (h Webhook, err error) {
	err = w.change(ctx, by, Update, project, func(ctx context.Context, tx *metadata.Tx) error {
		if _, err := tx.ProjectForUpdate(ctx, project); err != nil {
			return err
		}
		if h, err = get(ctx, tx.Querier(), project, id); err != nil {
			return err
		}
		if s.If != nil {
			if err := s.If(h); err != nil {
				return err
			}
		}
		if err := w.apply(&h, s); err != nil {
			return err
		}
		if err := w.store(ctx, tx, &h); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "webhook.change", Object: project, Detail: h.about()})
	})
	return h, err
}

// Remove removes a webhook with what it has not delivered.
func (w *Webhooks) Remove(ctx context.Context, by auth.Caller, project string, id int64) error {
	return w.change(ctx, by, Remove, project, func(ctx context.Context, tx *metadata.Tx) error {
		h, err := get(ctx, tx.Querier(), project, id)
		if err != nil {
			return err
		}
		for _, stmt := range []string{
			"DELETE FROM webhook_attempts WHERE webhook_id = $1", "DELETE FROM webhooks WHERE id = $1",
		} {
			if _, err := tx.Querier().Exec(ctx, stmt, id); err != nil {
				return db.Unavailable(err)
			}
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "webhook.remove", Object: project, Detail: h.about()})
	})
}

func (w *Webhooks) change(ctx context.Context, by auth.Caller, right auth.Right, project string,
	do func(ctx context.Context, tx *metadata.Tx) error,
) error {
	return w.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := w.cfg.Judge.Permit(ctx, tx, by, right, project); err != nil {
			return err
		}
		return do(ctx, tx)
	})
}

// about is a webhook as the audit log has it. Its path may hold a secret, as those of
// chats do.
func (h *Webhook) about() string {
	data, _ := json.Marshal(map[string]any{ // it holds nothing that fails
		"webhook": strconv.FormatInt(h.ID, 10), "name": h.Name, "to": h.Receiver(), "enabled": h.Enabled,
		"format": h.Format, "events": h.Events,
	})
	return string(data)
}

// store writes a webhook that is new or changed.
func (w *Webhooks) store(ctx context.Context, tx *metadata.Tx, h *Webhook) error {
	var other int
	err := tx.Querier().Row(ctx, "SELECT COUNT(*) FROM webhooks WHERE project_id = $1 AND name = $2 AND id <> $3",
		h.projectID, h.Name, h.ID).Scan(&other)
	if err != nil {
		return db.Unavailable(err)
	}
	if other > 0 {
		return errdefs.Errorf(errdefs.ErrExists, "project %q has another webhook %q", h.Project, h.Name)
	}
	h.ChangedAt = tx.Now()
	events := " "
	for _, e := range h.Events {
		events += string(e) + " "
	}
	_, err = tx.Querier().
		Exec(ctx, `INSERT INTO webhooks (id, project_id, name, enabled, url, format, events, auth_header,
			secret, skip_verify, created_at, created_by, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, enabled = excluded.enabled, url = excluded.url,
			format = excluded.format, events = excluded.events, auth_header = excluded.auth_header,
			secret = excluded.secret, skip_verify = excluded.skip_verify, changed_at = excluded.changed_at, lost = 0`,
			h.ID, h.projectID, h.Name, db.Number(h.Enabled), h.URL, string(h.Format), events, h.auth, h.secret,
			db.Number(h.SkipVerify), db.Micros(h.CreatedAt), h.By, db.Micros(h.ChangedAt))
	return db.Unavailable(err)
}
