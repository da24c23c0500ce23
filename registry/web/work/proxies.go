package work

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"cove/errdefs"
	"cove/registry/proxy"
	"cove/registry/proxy/standing"
	"cove/registry/web/page"
)

// Proxies are the projects that show what other registries have: their settings, and
// how their upstreams stand with this process.
type Proxies struct {
	*proxy.Service
	Live *proxy.Proxies
}

// proxyRow is a proxy with what is known of its upstream.
type proxyRow struct {
	proxy.Proxy
	State   standing.State
	Version string
}

// filledProxy is what the form of a proxy is filled with.
func filledProxy(p proxy.Proxy) any {
	return []any{p.Upstream, p.User, p.Repositories, p.FreshFor, p.KeepFor, p.Rate, p.Connections, p.Plain}
}

// Speed is the limit, as the form takes it; "" says that there is none.
func (r proxyRow) Speed() string { return speed(r.Rate) }

// Globs are the repositories, as the form takes them.
func (r proxyRow) Globs() string { return strings.Join(r.Repositories, " ") }

// Fresh is for how long tags are believed, as the form takes it.
func (r proxyRow) Fresh() string { return r.FreshFor.String() }

// Kept is how long things stay, as the form takes it; "" is for ever.
func (r proxyRow) Kept() string {
	if r.KeepFor == 0 {
		return ""
	}
	return r.KeepFor.String()
}

// proxyRows are all of them, and the one that is to be changed, if one is.
func (p *Pages) proxyRows(a *page.Ask) (rows []proxyRow, changed *proxyRow, err error) {
	all, err := p.proxies.List(a.Context(), a.Caller)
	if err != nil {
		return nil, nil, err
	}
	for _, one := range all {
		rows = append(rows, proxyRow{Proxy: one, State: p.proxies.Live.State(one.Project)})
	}
	for i, row := range rows {
		if row.Project == a.URL.Query().Get("proxy") {
			changed = &rows[i]
			if changed.Version, err = page.Version(filledProxy(row.Proxy)); err != nil {
				return nil, nil, err
			}
		}
	}
	return rows, changed, nil
}

// proxySet makes a project a proxy, or changes one.
func (p *Pages) proxySet(a *page.Ask) error {
	f := a.PostForm
	spec, err := specOf(f)
	if err == nil {
		err = p.proxyUnchanged(a)
	}
	if err == nil {
		err = p.proxies.Create(a.Context(), a.Caller, spec)
	}
	return p.done(a, err, replicationPath, a.Language.Text("proxy.set", f.Get("project"), f.Get("upstream")))
}

// proxyUnchanged refuses a form that would replace a proxy which it did not show.
func (p *Pages) proxyUnchanged(a *page.Ask) error {
	all, err := p.proxies.List(a.Context(), a.Caller)
	if err != nil {
		return err
	}
	for _, now := range all {
		switch {
		case now.Project != a.PostForm.Get("project"):
		case a.PostForm.Get(page.VersionField) == "":
			return errdefs.Errorf(errdefs.ErrExists, "project %q is a proxy of %s already", now.Project, now.Upstream)
		default:
			return a.Unchanged(filledProxy(now))
		}
	}
	return a.Unchanged(nil) // it is removed meanwhile
}

func specOf(f url.Values) (spec proxy.Spec, err error) {
	spec = proxy.Spec{
		Project: f.Get("project"), Upstream: f.Get("upstream"), Plain: f.Get("insecure") == "1",
		User: f.Get("user"), Password: f.Get("password"),
		Repositories: strings.Fields(f.Get("repositories")), Public: f.Get("public") == "1",
	}
	if spec.FreshFor, err = span(f, "fresh"); err != nil {
		return spec, err
	}
	if spec.FreshFor == 0 && f.Get("fresh") != "" {
		spec.FreshFor = proxy.AlwaysAsk
	}
	if spec.KeepFor, err = span(f, "keep"); err != nil {
		return spec, err
	}
	if text := f.Get("rate"); text != "" {
		if spec.Rate, err = units.FromHumanSize(text); err != nil {
			return spec, errdefs.Errorf(errdefs.ErrInvalid, "%.40q is no speed; use bytes a second, as 10MB", text)
		}
	}
	if spec.Connections, err = strconv.Atoi(cmp.Or(f.Get("connections"), "0")); err != nil {
		return spec, errdefs.Errorf(errdefs.ErrInvalid, "%.40q is no number of connections", f.Get("connections"))
	}
	return spec, nil
}

// span reads a time of a form; "" is 0.
func span(f url.Values, name string) (time.Duration, error) {
	text := f.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "%.40q is no time; use one as 90s, 5m or 720h", text)
	}
	return d, nil
}

func (p *Pages) proxyRemove(a *page.Ask) error {
	name := a.PostForm.Get("project")
	err := p.proxies.Remove(a.Context(), a.Caller, name)
	return p.done(a, err, replicationPath, a.Language.Text("proxy.removed", name))
}
