// Package scans has the pages of what scans found: in the whole registry, in a
// project, in an image, and of one vulnerability.
package scans

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/policies"
	"cove/registry/scan"
	"cove/registry/scan/advisory"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	policies *policies.Policies
}

// New returns the pages.
func New(desk *page.Desk, p *policies.Policies) *Pages { return &Pages{desk, p} }

// Rows are the routes of the pages.
func (p *Pages) Rows() []page.Row {
	get, post := page.Get, page.Post
	return slices.Concat(p.others(), page.Live("/security", scan.ReadAll, "security", p.security),
		page.Live("/scans/{artifact...}", scan.Read, "manifest", p.scan),
		page.Live("/projects/{project}/scanning", scan.Read, "project", p.project),
		[]page.Row{
			post("/security/scan", scan.Manage, "security", p.scanAll),
			get("/security/vulnerabilities.csv", scan.ReadAll, "security", p.export),
			get("/projects/{project}/vulnerabilities.csv", scan.Export, "project", p.export),
			get("/security/vulnerabilities/{vulnerability}", scan.ReadAll, "security", p.vulnerability),
			post("/scans/{artifact...}", scan.Create, "manifest", p.request),
			post("/projects/{project}/scanning", gate.Change, "project", p.set),
			post("/projects/{project}/exceptions", gate.Change, "project", p.except),
			post("/projects/{project}/exceptions/remove", gate.Change, "project", p.insist),
		})
}

// count is how many there are of a severity.
type count struct {
	Severity advisory.Severity
	Key      string // of the severity's word
	N        int
}

func counts(of func(advisory.Severity) int, all ...advisory.Severity) (list []count) {
	for _, s := range all {
		list = append(list, count{s, "severity." + strings.ToLower(s.String()), of(s)})
	}
	return list
}

// listed is a list of images with where it goes on.
type listed struct {
	Entries []results.Entry
	More    string
}

func (p *Pages) worst(a *page.Ask, project, path string) (l listed, err error) {
	q := results.Query{Project: project, After: a.FormValue("after"), N: page.PerPage}
	found, more, err := p.policies.Scans.Worst(a.Context(), a.Caller, q)
	if err != nil {
		return l, err
	}
	l.Entries = found
	if more {
		l.More = path + "?" + url.Values{"after": {found[len(found)-1].Cursor()}}.Encode()
	}
	return l, nil
}

type securityData struct {
	scan.Overview
	listed
	scannersData
	Worst, Flaws []count
	MayScan      bool
}

func (p *Pages) security(a *page.Ask) error {
	o, err := p.policies.Scans.Overview(a.Context(), a.Caller)
	if err != nil {
		return err
	}
	d := securityData{Overview: o, MayScan: p.Browse.May(a.Context(), a.Caller, scan.Manage, "")}
	d.Worst = counts(
		func(s advisory.Severity) int { return o.ByWorst[s] },
		append(advisory.Severities(), advisory.None)...)
	d.Flaws = counts(o.Vulnerabilities.Of, advisory.Severities()...)
	if d.listed, err = p.worst(a, "", "/security"); err != nil {
		return err
	}
	if d.scannersData, err = p.scanners(a); err != nil {
		return err
	}
	return p.Page(a, "security", "security", a.Language.Text("security.title"), d)
}

func (p *Pages) scanAll(a *page.Ask) error {
	_, err := p.policies.Scans.RequestAll(a.Context(), a.Caller)
	return p.done(a, err, "/security", a.Language.Text("security.asked"))
}

type vulnerabilityData struct {
	ID string
	advisory.Vulnerability
	listed
	Key string
}

func (p *Pages) vulnerability(a *page.Ask) error {
	id := a.PathValue("vulnerability")
	v, found, more, err := p.policies.Scans.About(a.Context(), a.Caller, id, results.Query{
		After: a.FormValue("after"), N: page.PerPage,
	})
	if err != nil {
		return err
	}
	d := vulnerabilityData{ID: id, Vulnerability: v, listed: listed{Entries: found}}
	d.Key = "severity." + strings.ToLower(v.Severity.String())
	if more {
		d.More = "/security/vulnerabilities/" + url.PathEscape(id) + "?" +
			url.Values{"after": {found[len(found)-1].Digest.String()}}.Encode()
	}
	return p.Page(a, "vulnerability", "security", id, d)
}

// report is what is known of one image.
type report struct {
	scan.Report
	Name     string // by its digest
	Scanned  bool
	Failed   bool
	Counts   []count
	Findings []results.Found
	Cut      int // vulnerabilities that the page leaves out
}

type scanData struct {
	Name, Project, Repository, Short string
	Reports                          []report
	MayScan                          bool
	MayReadAll                       bool // also of which other images have a vulnerability
	Unasked                          bool // there is no database of vulnerabilities
}

// shown bounds the vulnerabilities of an image that its page shows.
const shown = 500

func (p *Pages) scan(a *page.Ask) error {
	name, err := browse.ParseName(a.PathValue("artifact"))
	if err != nil {
		return err
	}
	images, err := p.policies.Scans.Images(a.Context(), a.Caller, name.Repository, name.Tag, name.Digest)
	if err != nil {
		return err
	}
	repo := metadata.CanonicalName(name.Repository)
	d := scanData{
		Name: name.String(), Project: metadata.ProjectOf(repo), Repository: repo,
		MayScan:    p.Browse.May(a.Context(), a.Caller, scan.Create, repo),
		MayReadAll: p.Browse.May(a.Context(), a.Caller, scan.ReadAll, ""),
	}
	_, d.Short, _ = strings.Cut(repo, "/")
	some, err := vulndb.Any(a.Context(), p.DB.Querier())
	if err != nil {
		return err
	}
	d.Unasked = !some
	for _, i := range images {
		r, err := p.report(a, i, len(images) == 1)
		if err != nil {
			return err
		}
		d.Reports = append(d.Reports, r)
	}
	return p.Page(a, "scan", "projects", a.Language.Text("scan.title")+" · "+d.Name, d)
}

func (p *Pages) report(a *page.Ask, i results.Image, findings bool) (r report, err error) {
	r.Name = i.Repository + "@" + i.Digest.String()
	r.Report, err = p.policies.Scans.Report(a.Context(), a.Caller, i)
	if errors.Is(err, errdefs.ErrNotFound) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Scanned, r.Failed = r.State == results.Scanned, r.State == results.Failed
	r.Counts = counts(r.Summary.Of, advisory.Severities()...)
	if findings {
		r.Findings, err = p.policies.Scans.Vulnerabilities(a.Context(), a.Caller, i)
		if r.Cut = len(r.Findings) - shown; r.Cut > 0 {
			r.Findings = r.Findings[:shown]
		}
	}
	return r, err
}

func (p *Pages) request(a *page.Ask) error {
	name, err := browse.ParseName(a.PathValue("artifact"))
	if err != nil {
		return err
	}
	images, err := p.policies.Scans.Images(a.Context(), a.Caller, name.Repository, name.Tag, name.Digest)
	for _, i := range images {
		if err == nil {
			_, err = p.policies.Scans.Request(a.Context(), a.Caller, i)
		}
	}
	return p.done(a, err, "/scans/"+name.String(), a.Language.Text("scan.asked"))
}

type projectData struct {
	*page.Place
	listed
	Settings   gate.Settings
	From       string
	Severities []count
	Exceptions []exception
	MayExport  bool
	Choices    []string // of scanners
	MayChange  bool
	MayRead    bool
	Version    string // of the settings
}

// filled is what the form of the settings is filled with.
func filled(s gate.Settings) any {
	return struct {
		OnPush                   bool
		SBOM, Unscanned, Scanner string
		From                     int64
	}{s.OnPush, s.SBOM, s.Unscanned, s.Scanner, int64(s.From)}
}

type exception struct {
	gate.Exception
	Over bool
}

func (p *Pages) project(a *page.Ask) error {
	shared, err := p.Place(a)
	if err != nil {
		return err
	}
	name := shared.Project.Name
	d := projectData{
		Place: shared, MayChange: p.Browse.May(a.Context(), a.Caller, gate.Change, name),
		MayRead:   p.Browse.May(a.Context(), a.Caller, gate.Read, name),
		MayExport: p.Browse.May(a.Context(), a.Caller, scan.Export, name),
	}
	if d.listed, err = p.worst(a, name, "/projects/"+name+"/scanning"); err != nil {
		return err
	}
	d.Severities = counts(func(advisory.Severity) int { return 0 }, advisory.Severities()[:5]...)
	if d.MayRead {
		if d.Settings, err = p.policies.Scans.Gates.Of(a.Context(), a.Caller, name); err != nil {
			return err
		}
		if d.Version, err = page.Version(filled(d.Settings)); err != nil {
			return err
		}
		if d.Choices, err = p.policies.Scans.Choices(a.Context(), a.Caller, name); err != nil {
			return err
		}
		all, err := p.policies.Scans.Gates.Exceptions(a.Context(), a.Caller, name)
		if err != nil {
			return err
		}
		for _, e := range all {
			d.Exceptions = append(d.Exceptions, exception{e, e.Expired(p.Now())})
		}
	}
	if d.Settings.From != advisory.None {
		d.From = strings.ToLower(d.Settings.From.String())
	}
	return p.Page(a, "scanning", "projects", a.Language.Text("scan.title")+" · "+name, d)
}

func scanningOf(a *page.Ask) string { return "/projects/" + a.PathValue("project") + "/scanning" }

func (p *Pages) set(a *page.Ask) error {
	form := a.PostForm
	s := gate.Settings{OnPush: form.Get("on_push") == "1", SBOM: form.Get("sbom"), Unscanned: form.Get("unscanned")}
	s.Scanner = form.Get("scanner")
	var err error
	if word := form.Get("severity"); word != "" {
		s.From, err = advisory.ParseSeverity(word)
	} else {
		s.Unscanned = ""
	}
	if err == nil {
		unchanged := func(now gate.Settings) error { return a.Unchanged(filled(now)) }
		err = p.policies.Scans.Gates.Set(a.Context(), a.Caller, a.PathValue("project"), s, unchanged)
	}
	return p.done(a, err, scanningOf(a), a.Language.Text("scan.set"))
}

func (p *Pages) except(a *page.Ask) error {
	form := a.PostForm
	e := gate.Exception{Vulnerability: form.Get("vulnerability"), Reason: form.Get("reason")}
	var err error
	if day := form.Get("until"); day != "" {
		if e.Expires, err = time.Parse(time.DateOnly, day); err != nil {
			return page.Invalid("until %q: that is no day", day)
		}
	}
	err = p.policies.Scans.Gates.Except(a.Context(), a.Caller, a.PathValue("project"), e)
	return p.done(a, err, scanningOf(a), a.Language.Text("scan.allowed", e.Vulnerability))
}

func (p *Pages) insist(a *page.Ask) error {
	id, project := a.PostForm.Get("vulnerability"), a.PathValue("project")
	n := view.Notice{Text: a.Language.Text("scan.disallowed", id)}
	if p.Browse.May(a.Context(), a.Caller, gate.Read, project) {
		all, err := p.policies.Scans.Gates.Exceptions(a.Context(), a.Caller, project)
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.Vulnerability == id {
				n.Undo = &view.Undo{Action: "/projects/" + project + "/exceptions", Fields: map[string]string{
					"vulnerability": id, "reason": e.Reason, "until": dayOf(e.Expires),
				}}
			}
		}
	}
	err := p.policies.Scans.Gates.Insist(a.Context(), a.Caller, project, id)
	return p.ended(a, err, scanningOf(a), n)
}

// dayOf is a day as a form has it; "" of none.
func dayOf(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.DateOnly)
}

// done ends a form: with what it did, or with why the reader must mend it.
func (p *Pages) done(a *page.Ask, err error, back, text string) error {
	return p.ended(a, err, back, view.Notice{Text: text})
}

// ended is done with a notice that has more than words.
func (p *Pages) ended(a *page.Ask, err error, back string, n view.Notice) error {
	if why, ok := page.Refused(err); ok {
		return p.Done(a, back, view.Notice{Bad: true, Text: why})
	}
	if err != nil {
		return err
	}
	return p.Done(a, back, n)
}
