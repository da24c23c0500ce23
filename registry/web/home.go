package web

import (
	"io"
	"net/url"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/browse"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// home sends a reader to where the work is: to the first push while there is
// nothing to see. Programs get a line of text.
func (p *Pages) home(a *page.Ask) error {
	if !strings.Contains(a.Header.Get("Accept"), "text/html") {
		_, err := io.WriteString(a.W,
			"This is a cove registry. Images are pushed and pulled with docker, podman, containerd or cove.\n")
		return err
	}
	if a.Caller.Name == "" {
		a.Redirect("/sign-in")
		return nil
	}
	held, err := p.DB.Repositories(a.Context(), a.Caller.Viewer(), "", 1)
	if err != nil {
		return err
	}
	if len(held) == 0 {
		a.Redirect("/start")
		return nil
	}
	a.Redirect("/projects")
	return nil
}

func (p *Pages) static(a *page.Ask) error {
	if err := p.Views.Assets.Serve(a.W, a.Request, a.PathValue("file")); err != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "file %q: %w", a.PathValue("file"), err)
	}
	return nil
}

// hits of each kind that a search shows
const hits = 20

type searchData struct {
	Text  string
	Found browse.Found
}

func (p *Pages) search(a *page.Ask) error {
	data := searchData{Text: strings.TrimSpace(page.Bounded(a.FormValue("q")))}
	var err error
	if data.Found, err = p.Browse.Search(a.Context(), a.Caller, data.Text, hits); err != nil {
		return err
	}
	title := a.Language.Text("search.label")
	if data.Text != "" {
		title = a.Language.Text("search.for", data.Text)
	}
	return p.Page(a, "search", "", title, data)
}

type auditData struct {
	Events                []auditRow
	More                  string
	Actor, Action, Object string // what is asked for
	Forwards              []audit.Forward
}

// auditRow is a line of the log. An object that is an artifact is shown by as much
// of its digest as people compare.
type auditRow struct {
	audit.Event
	Artifact string // what the object leads to; "" if nothing
}

func newAuditRow(e audit.Event) auditRow {
	row := auditRow{Event: e}
	if name, err := browse.ParseName(e.Object); err == nil && name.Digest != "" && e.Action == "manifest.push" {
		row.Artifact = e.Object
		row.Object = name.Repository + "@" + view.Short(name.Digest)
	}
	return row
}

// audit shows a page of the audit log, the newest lines first.
func (p *Pages) audit(a *page.Ask) error {
	q := audit.Query{
		N: page.PerPage, Actor: page.Bounded(a.FormValue("actor")), Action: page.Bounded(a.FormValue("action")),
		Object: page.Bounded(a.FormValue("object")),
	}
	if text := a.FormValue("after"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return page.Invalid("after %q is no line of the log", text)
		}
		q.Before = id
	}
	events, more, err := p.cfg.Audit.Page(a.Context(), a.Caller, q)
	if err != nil {
		return err
	}
	data := auditData{Actor: q.Actor, Action: q.Action, Object: q.Object}
	if q.Before == 0 {
		if data.Forwards, err = p.cfg.Audit.Forwards(a.Context(), a.Caller); err != nil {
			return err
		}
	}
	for _, e := range events {
		data.Events = append(data.Events, newAuditRow(e))
	}
	if more {
		v := url.Values{"after": {strconv.FormatInt(events[len(events)-1].ID, 10)}}
		for name, value := range map[string]string{"actor": q.Actor, "action": q.Action, "object": q.Object} {
			if value != "" {
				v.Set(name, value)
			}
		}
		data.More = "/audit?" + v.Encode()
	}
	return p.Page(a, "audit", "audit", a.Language.Text("audit.title"), data)
}
