package web

import (
	"io"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/browse"
	"cove/registry/web/view"
)

type sessionRow struct {
	Address, Agent string
	Since, Seen    time.Time
	Current        bool
}

// home sends a reader to where the work is: to the first push while there is
// nothing to see. Programs get a line of text.
func (p *Pages) home(a *ask) error {
	if !strings.Contains(a.Header.Get("Accept"), "text/html") {
		_, err := io.WriteString(a.w,
			"This is a cove registry. Images are pushed and pulled with docker, podman, containerd or cove.\n")
		return err
	}
	if a.caller.Name == "" {
		a.redirect("/sign-in")
		return nil
	}
	held, err := p.cfg.DB.Repositories(a.Context(), a.caller.Viewer(), "", 1)
	if err != nil {
		return err
	}
	if len(held) == 0 {
		a.redirect("/start")
		return nil
	}
	a.redirect("/projects")
	return nil
}

func (p *Pages) static(a *ask) error {
	if err := p.views.Assets.Serve(a.w, a.Request, a.PathValue("file")); err != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "file %q: %w", a.PathValue("file"), err)
	}
	return nil
}

type searchData struct {
	Text  string
	Found browse.Found
}

func (p *Pages) search(a *ask) error {
	data := searchData{Text: strings.TrimSpace(bounded(a.FormValue("q")))}
	var err error
	if data.Found, err = p.browse.Search(a.Context(), a.caller, data.Text, hits); err != nil {
		return err
	}
	title := a.language.Text("search.label")
	if data.Text != "" {
		title = a.language.Text("search.for", data.Text)
	}
	return p.page(a, "search", "", title, data)
}

type auditData struct {
	Events []auditRow
	More   string
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

// audit shows the newest lines of the audit log.
func (p *Pages) audit(a *ask) error {
	const newest = 200
	events, err := p.cfg.Audit.Newest(a.Context(), a.caller, newest)
	if err != nil {
		return err
	}
	var data auditData
	for _, e := range events {
		data.Events = append(data.Events, newAuditRow(e))
	}
	return p.page(a, "audit", "audit", a.language.Text("audit.title"), data)
}

func invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}
