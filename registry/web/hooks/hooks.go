// Package hooks has the pages of webhooks.
package hooks

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/api/webhooks"
	"cove/registry/jobs"
	"cove/registry/policies"
	"cove/registry/web/page"
	"cove/registry/web/view"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	policies *policies.Policies
}

// New returns the pages.
func New(desk *page.Desk, p *policies.Policies) *Pages { return &Pages{desk, p} }

const (
	all = "/projects/{project}/webhooks"
	one = all + "/{webhook}"
)

// Rows are the routes of the pages.
func (p *Pages) Rows() []page.Row {
	get, post := page.Get, page.Post
	return append(page.Live(one, webhook.List, "project", p.show),
		get(all, webhook.List, "project", p.list),
		post(all, webhook.Create, "project", p.create),
		post(one, webhook.Update, "project", p.change),
		post(one+"/remove", webhook.Remove, "project", p.remove),
		post(one+"/test", webhook.Update, "project", p.test),
		post(one+"/deliveries/{delivery}/stop", webhook.Update, "project", p.stop),
		post(one+"/deliveries/{delivery}/retry", webhook.Update, "project", p.retry),
	)
}

// form is what a form of a webhook is filled in with.
type form struct {
	URL      string // where it is sent to
	Hook     webhook.Webhook
	Events   []event
	Formats  []payload.Format
	IsNew    bool
	MayWrite bool
	Version  string // of one that is there
}

// filled is what the form of a webhook is filled with.
func filled(h webhook.Webhook) any {
	return struct {
		Name, URL                             string
		Format                                payload.Format
		Events                                []payload.Type
		SkipVerify, Enabled, HasAuth, HasSign bool
	}{h.Name, h.URL, h.Format, h.Events, h.SkipVerify, h.Enabled, h.HasAuth, h.HasSecret}
}

type event struct {
	payload.Type
	On bool
}

func newForm(h webhook.Webhook) form {
	f := form{Hook: h, Formats: payload.Formats()}
	for _, t := range payload.Types() {
		f.Events = append(f.Events, event{t, slices.Contains(h.Events, t)})
	}
	return f
}

type listData struct {
	*page.Place
	Hooks []webhook.Webhook
	Form  form
}

func (p *Pages) list(a *page.Ask) error {
	shared, err := p.Place(a)
	if err != nil {
		return err
	}
	name := shared.Project.Name
	found, err := p.policies.Webhooks.List(a.Context(), a.Caller, name)
	if err != nil {
		return err
	}
	d := listData{Place: shared, Hooks: found, Form: newForm(webhook.Webhook{
		Enabled: true, Events: []payload.Type{payload.PushArtifact, payload.DeleteArtifact},
	})}
	d.Form.URL, d.Form.IsNew = "/projects/"+name+"/webhooks", true
	d.Form.MayWrite = p.Browse.May(a.Context(), a.Caller, webhook.Create, name)
	return p.Page(a, "webhooks", "projects", a.Language.Text("webhooks.title")+" · "+name, d)
}

// spec reads the form of a webhook. Of one that exists an empty secret leaves the one
// that it has.
func spec(a *page.Ask, exists bool) (webhook.Spec, error) {
	f := a.PostForm
	enabled, skip, events := f.Get("enabled") == "1", f.Get("insecure") == "1", f["event"]
	name, address, format := f.Get("name"), strings.TrimSpace(f.Get("url")), f.Get("format")
	c := webhooks.Change{
		Name: &name, URL: &address, Format: &format, Events: &events, SkipVerify: &skip,
	}
	if exists {
		c.Enabled = &enabled
	}
	if len(events) == 0 {
		return webhook.Spec{}, errdefs.Errorf(errdefs.ErrInvalid, "%s", a.Language.Text("webhooks.events.none"))
	}
	for _, secret := range []struct {
		name string
		to   **string
	}{{"secret", &c.Secret}, {"authorization", &c.Authorization}} {
		text := f.Get(secret.name)
		if text != "" || f.Get("no_"+secret.name) == "1" {
			*secret.to = &text
		}
	}
	return c.Spec()
}

func hooksOf(a *page.Ask) string { return "/projects/" + a.PathValue("project") + "/webhooks" }

func hookOf(a *page.Ask) (id int64, path string, err error) {
	id, err = strconv.ParseInt(a.PathValue("webhook"), 10, 64)
	if err != nil {
		err = errdefs.Errorf(errdefs.ErrNotFound, "there is no webhook %q", a.PathValue("webhook"))
	}
	return id, hooksOf(a) + "/" + a.PathValue("webhook"), err
}

func (p *Pages) create(a *page.Ask) error {
	s, err := spec(a, false)
	back := hooksOf(a)
	if err == nil {
		var h webhook.Webhook
		if h, err = p.policies.Webhooks.Create(a.Context(), a.Caller, a.PathValue("project"), s); err == nil {
			back += "/" + strconv.FormatInt(h.ID, 10)
		}
	}
	return p.done(a, err, back, "webhooks.created")
}

func (p *Pages) change(a *page.Ask) error {
	id, path, err := hookOf(a)
	if err != nil {
		return err
	}
	s, err := spec(a, true)
	s.If = func(now webhook.Webhook) error { return a.Unchanged(filled(now)) }
	if err == nil {
		_, err = p.policies.Webhooks.Change(a.Context(), a.Caller, a.PathValue("project"), id, s)
	}
	return p.done(a, err, path, "webhooks.changed")
}

func (p *Pages) remove(a *page.Ask) error {
	id, _, err := hookOf(a)
	if err != nil {
		return err
	}
	err = p.policies.Webhooks.Remove(a.Context(), a.Caller, a.PathValue("project"), id)
	return p.done(a, err, hooksOf(a), "webhooks.removed")
}

func (p *Pages) test(a *page.Ask) error {
	id, path, err := hookOf(a)
	if err != nil {
		return err
	}
	_, err = p.policies.Webhooks.Test(a.Context(), a.Caller, a.PathValue("project"), id)
	return p.done(a, err, path, "webhooks.tested")
}

func (p *Pages) stop(a *page.Ask) error {
	id, path, err := hookOf(a)
	if err != nil {
		return err
	}
	if delivery, bad := strconv.ParseInt(a.PathValue("delivery"), 10, 64); bad != nil {
		err = page.Invalid("delivery %q is none", a.PathValue("delivery"))
	} else {
		err = p.policies.Webhooks.Stop(a.Context(), a.Caller, a.PathValue("project"), id, delivery)
	}
	return p.done(a, err, path, "jobs.stopping")
}

func (p *Pages) retry(a *page.Ask) error {
	id, path, err := hookOf(a)
	if err != nil {
		return err
	}
	if delivery, bad := strconv.ParseInt(a.PathValue("delivery"), 10, 64); bad != nil {
		err = page.Invalid("delivery %q is none", a.PathValue("delivery"))
	} else {
		_, err = p.policies.Webhooks.Retry(a.Context(), a.Caller, a.PathValue("project"), id, delivery)
	}
	return p.done(a, err, path, "jobs.again")
}

// done answers a form: with a text of the catalogue, or with why it was refused.
func (p *Pages) done(a *page.Ask, err error, back, key string) error {
	if why, ok := page.Refused(err); ok {
		return p.Done(a, back, view.Notice{Bad: true, Text: why})
	}
	if err != nil {
		return err
	}
	return p.Done(a, back, view.Notice{Text: a.Language.Text(key)})
}

type showData struct {
	*page.Place
	Form       form
	MayRemove  bool
	Deliveries []delivery
	Attempts   []attempt
	More       string
}

type delivery struct {
	jobs.Job
	Event payload.Type
}

// Open says that it has not ended.
func (d delivery) Open() bool { return d.EndedAt.IsZero() }

type attempt struct {
	webhook.Attempt
	Took string
}

// shownAttempts is how many of the newest are on the page.
const shownAttempts = 20

func (p *Pages) show(a *page.Ask) error {
	id, path, err := hookOf(a)
	if err != nil {
		return err
	}
	shared, err := p.Place(a)
	if err != nil {
		return err
	}
	name := shared.Project.Name
	h, err := p.policies.Webhooks.Get(a.Context(), a.Caller, name, id)
	if err != nil {
		return err
	}
	d := showData{Place: shared, Form: newForm(h)}
	if d.Form.Version, err = page.Version(filled(h)); err != nil {
		return err
	}
	d.Form.URL, d.Form.MayWrite = path, p.Browse.May(a.Context(), a.Caller, webhook.Update, name)
	d.MayRemove = p.Browse.May(a.Context(), a.Caller, webhook.Remove, name)
	if err := p.fill(a, &d, h); err != nil {
		return err
	}
	return p.Page(a, "webhook", "projects", h.Name+" · "+name, d)
}

// fill adds the deliveries of a page, and the newest attempts.
func (p *Pages) fill(a *page.Ask, d *showData, h webhook.Webhook) error {
	q := jobs.Query{N: page.PerPage}
	if after := a.FormValue("after"); after != "" {
		var err error
		if q.Before, err = strconv.ParseInt(after, 10, 64); err != nil {
			return page.Invalid("page after %q: that is no delivery", after)
		}
	}
	found, more, err := p.policies.Webhooks.Deliveries(a.Context(), a.Caller, h.Project, h.ID, q)
	if err != nil {
		return err
	}
	for _, j := range found {
		d.Deliveries = append(d.Deliveries, delivery{j, webhook.EventOf(j)})
	}
	if more {
		d.More = d.Form.URL + "?" + url.Values{"after": {strconv.FormatInt(found[len(found)-1].ID, 10)}}.Encode()
	}
	tried, err := p.policies.Webhooks.Attempts(a.Context(), a.Caller, h.Project, h.ID)
	for _, one := range tried[:min(len(tried), shownAttempts)] {
		d.Attempts = append(d.Attempts, attempt{one, one.Took.Round(time.Millisecond).String()})
	}
	return err
}
