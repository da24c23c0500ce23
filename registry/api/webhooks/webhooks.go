// Package webhooks has the API's operations on webhooks.
package webhooks

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"cove/registry/api/rest"
	"cove/registry/api/work"
	"cove/registry/auth"
	"cove/registry/policies"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// Services are what the operations call.
type Services struct{ Policies *policies.Policies }

// Webhook tells others of what happens in a project. Its secrets are never shown.
type Webhook struct {
	ID         string    `json:"id"`
	Project    string    `json:"project"`
	Name       string    `json:"name"`
	Enabled    bool      `json:"enabled"`
	URL        string    `json:"url"`
	Format     string    `json:"format"` // default, cloudevents, slack or teams
	Events     []string  `json:"events"`
	SkipVerify bool      `json:"skipVerify"` // takes a certificate that nobody vouches for
	HasAuth    bool      `json:"hasAuthorization"`
	HasSecret  bool      `json:"hasSecret"`
	Lost       int64     `json:"lost"` // events, while too many waited
	By         string    `json:"by"`
	CreatedAt  time.Time `json:"createdAt"`
	ChangedAt  time.Time `json:"changedAt"`
	Last       *Attempt  `json:"last,omitempty"`
}

// Attempt is one try to deliver.
type Attempt struct {
	Delivery string    `json:"delivery"`
	Event    string    `json:"event"`
	At       time.Time `json:"at"`
	Took     string    `json:"took"`   // as 12ms
	Status   int       `json:"status"` // of HTTP; 0 when no answer came
	Error    string    `json:"error,omitempty"`
}

// Attempts are the newest of a webhook.
type Attempts struct {
	Items []Attempt `json:"items"`
}

// Webhooks are those of a project.
type Webhooks struct {
	Items []Webhook `json:"items"`
}

// Change is what is said of a webhook. What is left out stays, or is, of a new one, as
// it is without it; name and url are required of that.
type Change struct {
	Name          *string   `json:"name,omitempty"`
	Enabled       *bool     `json:"enabled,omitempty"`
	URL           *string   `json:"url,omitempty"`
	Format        *string   `json:"format,omitempty"` // default, cloudevents, slack or teams
	Events        *[]string `json:"events,omitempty"` // none is all
	SkipVerify    *bool     `json:"skipVerify,omitempty"`
	Authorization *string   `json:"authorization,omitempty"` // sent as this header; "" sends none
	Secret        *string   `json:"secret,omitempty"`        // key of the signature; "" signs nothing
}

// Settled implements [rest.Settler].
func (h Webhook) Settled() any {
	h.Lost, h.Last = 0, nil
	return h
}

// WebhookOf is a webhook as the API and the command line show it.
func WebhookOf(h webhook.Webhook) Webhook {
	out := Webhook{
		ID: strconv.FormatInt(h.ID, 10), Project: h.Project, Name: h.Name, Enabled: h.Enabled, URL: h.URL,
		Format: string(h.Format), Events: make([]string, len(h.Events)), SkipVerify: h.SkipVerify, HasAuth: h.HasAuth,
		HasSecret: h.HasSecret, Lost: h.Lost, By: h.By, CreatedAt: h.CreatedAt.UTC(), ChangedAt: h.ChangedAt.UTC(),
	}
	for i, e := range h.Events {
		out.Events[i] = string(e)
	}
	if h.Last != nil {
		last := AttemptOf(*h.Last)
		out.Last = &last
	}
	return out
}

// AttemptOf is an attempt as the API and the command line show it.
func AttemptOf(a webhook.Attempt) Attempt {
	return Attempt{
		Delivery: strconv.FormatInt(a.Delivery, 10), Event: string(a.Event), At: a.At.UTC(),
		Took: a.Took.Round(time.Millisecond).String(), Status: a.Status, Error: a.Error,
	}
}

// Spec is the change as the service takes it.
func (c Change) Spec() (s webhook.Spec, err error) {
	s = webhook.Spec{
		Name: c.Name, URL: c.URL, Enabled: c.Enabled, SkipVerify: c.SkipVerify, Authorization: c.Authorization,
		Secret: c.Secret,
	}
	if c.Format != nil {
		f, err := payload.ParseFormat(*c.Format)
		if err != nil {
			return s, err
		}
		s.Format = &f
	}
	if c.Events != nil {
		events := make([]payload.Type, len(*c.Events))
		for i, text := range *c.Events {
			if events[i], err = payload.ParseType(text); err != nil {
				return s, err
			}
		}
		s.Events = &events
	}
	return s, nil
}

const (
	all = "/projects/{project}/webhooks"
	one = all + "/{webhook}"
)

// Operations are the rows of the API's table.
func (s Services) Operations() []rest.Operation {
	return append(s.settings(), s.deliveries()...)
}

func (s Services) settings() []rest.Operation {
	return []rest.Operation{
		{
			Method: http.MethodGet, Path: all, Right: webhook.List, Object: "project",
			ID: "listWebhooks", Summary: "Whom a project tells of what happens in it",
			Answer: Webhooks{},
			Status: 200, Serve: s.list,
		},
		{
			Method: http.MethodPost, Path: all, Right: webhook.Create, Object: "project",
			ID: "createWebhook", Summary: "Tell somebody of what happens in a project",
			Body:   Change{},
			Answer: Webhook{},
			Status: 201, ETag: true, Serve: s.create,
		},
		{
			Method: http.MethodGet, Path: one, Right: webhook.List, Object: "project",
			ID: "getWebhook", Summary: "One webhook",
			Answer: Webhook{},
			Status: 200, ETag: true, Serve: s.get,
		},
		{
			Method: http.MethodPatch, Path: one, Right: webhook.Update, Object: "project",
			ID: "changeWebhook", Summary: "Change a webhook",
			Body:   Change{},
			Answer: Webhook{},
			Status: 200, ETag: true, Serve: s.change,
		},
		{
			Method: http.MethodDelete, Path: one, Right: webhook.Remove, Object: "project",
			ID: "deleteWebhook", Summary: "Remove a webhook",
			Status: 204, Serve: s.remove,
		},
	}
}

func (s Services) deliveries() []rest.Operation {
	return []rest.Operation{
		{
			Method: http.MethodPost, Path: one + "/test", Right: webhook.Update, Object: "project",
			ID: "testWebhook", Summary: "Send a webhook an event that did not happen",
			Answer: Delivery{},
			Status: 201, Serve: s.test,
		},
		{
			Method: http.MethodGet, Path: one + "/attempts", Right: webhook.List, Object: "project",
			ID: "listWebhookAttempts", Summary: "The newest attempts to deliver, the newest first",
			Answer: Attempts{},
			Status: 200, Serve: s.attempts,
		},
		{
			Method: http.MethodGet, Path: one + "/deliveries", Right: webhook.List, Object: "project",
			ID: "listWebhookDeliveries", Summary: "The deliveries of a webhook, the newest first",
			Query: rest.PageOf(rest.Parameter{
				Name: "state", About: "only waiting, running, done, failed or stopped", Kind: rest.KindText,
			}),
			Answer: rest.Page[work.Job]{},
			Status: 200, Serve: s.page,
		},
		{
			Method: http.MethodPost, Path: one + "/deliveries/{delivery}/stop", Right: webhook.Update,
			Object: "project",
			ID:     "stopWebhookDelivery", Summary: "Stop a delivery that waits or is tried",
			Status: 204, Serve: s.stop,
		},
		{
			Method: http.MethodPost, Path: one + "/deliveries/{delivery}/retry", Right: webhook.Update,
			Object: "project",
			ID:     "retryWebhookDelivery", Summary: "Deliver again what has ended, as a new delivery",
			Answer: Delivery{},
			Status: 201, Serve: s.retry,
		},
	}
}

// Delivery is a job that delivers.
type Delivery struct {
	ID string `json:"id"`
}

// which are the project and the webhook of a request.
func which(asked *rest.Ask) (project string, id int64, err error) {
	id, err = work.Numbered(asked.PathValue("webhook"))
	return asked.PathValue("project"), id, err
}

func (s Services) list(asked *rest.Ask) (any, error) {
	hooks, err := s.Policies.Webhooks.List(asked.Context(), asked.Caller, asked.PathValue("project"))
	out := Webhooks{Items: make([]Webhook, len(hooks))}
	for i, h := range hooks {
		out.Items[i] = WebhookOf(h)
	}
	return out, err
}

func (s Services) create(asked *rest.Ask) (any, error) {
	spec, err := read(asked)
	if err != nil {
		return nil, err
	}
	h, err := s.Policies.Webhooks.Create(asked.Context(), asked.Caller, asked.PathValue("project"), spec)
	if err != nil {
		return nil, err
	}
	out := WebhookOf(h)
	asked.W.Header().Set("Location", rest.Base+"/projects/"+out.Project+"/webhooks/"+out.ID)
	return out, nil
}

func read(asked *rest.Ask) (webhook.Spec, error) {
	var body Change
	if err := asked.Read(&body); err != nil {
		return webhook.Spec{}, err
	}
	return body.Spec()
}

func (s Services) get(asked *rest.Ask) (any, error) {
	project, id, err := which(asked)
	if err != nil {
		return nil, err
	}
	h, err := s.Policies.Webhooks.Get(asked.Context(), asked.Caller, project, id)
	h.Last = nil // it is no part of what the ETag is about; attempts has it
	return WebhookOf(h), err
}

func (s Services) change(asked *rest.Ask) (any, error) {
	project, id, err := which(asked)
	if err != nil {
		return nil, err
	}
	spec, err := read(asked)
	if err != nil {
		return nil, err
	}
	spec.If = func(now webhook.Webhook) error { return asked.Unchanged(WebhookOf(now)) }
	h, err := s.Policies.Webhooks.Change(asked.Context(), asked.Caller, project, id, spec)
	return WebhookOf(h), err
}

func (s Services) remove(asked *rest.Ask) (any, error) {
	project, id, err := which(asked)
	if err != nil {
		return nil, err
	}
	return nil, s.Policies.Webhooks.Remove(asked.Context(), asked.Caller, project, id)
}

func (s Services) test(asked *rest.Ask) (any, error) {
	project, id, err := which(asked)
	if err != nil {
		return nil, err
	}
	n, err := s.Policies.Webhooks.Test(asked.Context(), asked.Caller, project, id)
	return Delivery{strconv.FormatInt(n, 10)}, err
}

func (s Services) attempts(asked *rest.Ask) (any, error) {
	project, id, err := which(asked)
	if err != nil {
		return nil, err
	}
	found, err := s.Policies.Webhooks.Attempts(asked.Context(), asked.Caller, project, id)
	out := Attempts{Items: make([]Attempt, len(found))}
	for i, a := range found {
		out.Items[i] = AttemptOf(a)
	}
	return out, err
}

func (s Services) page(asked *rest.Ask) (any, error) {
	project, id, err := which(asked)
	if err != nil {
		return nil, err
	}
	q, err := work.JobQuery(asked)
	if err != nil {
		return nil, err
	}
	found, more, err := s.Policies.Webhooks.Deliveries(asked.Context(), asked.Caller, project, id, q)
	if err != nil {
		return nil, err
	}
	items := make([]work.Job, len(found))
	for i, j := range found {
		items[i] = work.JobOf(j)
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(j work.Job) string { return j.ID })), nil
}

func (s Services) stop(asked *rest.Ask) (any, error) {
	return nil, s.delivery(asked, s.Policies.Webhooks.Stop)
}

func (s Services) retry(asked *rest.Ask) (any, error) {
	var again int64
	err := s.delivery(asked, func(ctx context.Context, by auth.Caller, project string, id, delivery int64) (err error) {
		again, err = s.Policies.Webhooks.Retry(ctx, by, project, id, delivery)
		return err
	})
	return Delivery{strconv.FormatInt(again, 10)}, err
}

// delivery does something with the delivery of a request.
func (s Services) delivery(asked *rest.Ask, do func(context.Context, auth.Caller, string, int64, int64) error) error {
	project, id, err := which(asked)
	if err != nil {
		return err
	}
	n, err := work.Numbered(asked.PathValue("delivery"))
	if err != nil {
		return err
	}
	return do(asked.Context(), asked.Caller, project, id, n)
}
