package scans

import (
	"strconv"

	"cove/registry/scan"
	"cove/registry/scan/adapter"
	"cove/registry/scan/scanners"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// others are the rows of the pages on scanners of others.
func (p *Pages) others() []page.Row {
	return []page.Row{
		page.Post("/security/scanners", scan.Manage, "security", p.scannerSet),
		page.Post("/security/scanners/test", scan.Manage, "security", p.scannerTest),
		page.Post("/security/scanners/remove", scan.Manage, "security", p.scannerRemove),
	}
}

// scannersData is what the page shows of scanners.
type scannersData struct {
	Scanners []scanners.Scanner
	Auths    []adapter.Auth
	Changed  *changedScanner // that the form is filled with
}

type changedScanner struct {
	scanners.Scanner
	Version string
}

// shownOf is what the form of a scanner is filled with.
func shownOf(s scanners.Scanner) any {
	return struct {
		URL, Auth, CA, Registry string
		SkipVerify, Standard    bool
		Again                   int
	}{s.URL, string(s.Auth), s.CA, s.Registry, s.SkipVerify, s.Standard, s.AgainDays}
}

func (p *Pages) scanners(a *page.Ask) (d scannersData, err error) {
	d.Auths = adapter.Auths()
	if d.Scanners, err = p.policies.Scans.Scanners.List(a.Context(), a.Caller); err != nil {
		return d, err
	}
	for _, s := range d.Scanners {
		if s.Name == a.FormValue("scanner") {
			d.Changed = &changedScanner{Scanner: s}
			d.Changed.Version, err = page.Version(shownOf(s))
		}
	}
	return d, err
}

// scannerSet adds a scanner, or changes the one that the form was filled with.
func (p *Pages) scannerSet(a *page.Ask) error {
	form := a.PostForm
	days, err := strconv.Atoi(form.Get("again"))
	if err != nil {
		return page.Invalid("again %q: that is no number of days", form.Get("again"))
	}
	s := scanners.Spec{
		Name: form.Get("name"), URL: form.Get("url"), Auth: adapter.Auth(form.Get("auth")),
		Credential: form.Get("credential"),
		SkipVerify: form.Get("insecure") == "1", CA: form.Get("ca"), Registry: form.Get("registry"),
		Standard: form.Get("default") == "1", AgainDays: days,
	}
	if form.Get(page.VersionField) == "" {
		_, err = p.policies.Scans.Scanners.Create(a.Context(), a.Caller, s)
		return p.done(a, err, "/security#scanners", a.Language.Text("scanner.added", s.Name))
	}
	s.KeepCredential = s.Credential == ""
	unchanged := func(now scanners.Scanner) error { return a.Unchanged(shownOf(now)) }
	_, err = p.policies.Scans.Scanners.Set(a.Context(), a.Caller, s, unchanged)
	return p.done(a, err, "/security#scanners", a.Language.Text("scanner.set", s.Name))
}

// scannerTest says what the scanner answers, good or bad.
func (p *Pages) scannerTest(a *page.Ask) error {
	name := a.PostForm.Get("name")
	if _, err := p.policies.Scans.Scanners.Get(a.Context(), a.Caller, name); err != nil {
		return p.done(a, err, "/security#scanners", "")
	}
	n := view.Notice{}
	said, err := p.policies.Scans.Scanners.Test(a.Context(), a.Caller, name)
	if err != nil {
		n.Bad, n.Text = true, err.Error()
	} else {
		n.Text = a.Language.Text("scanner.answers", name, said.Scanner.Vendor, said.Scanner.Name, said.Scanner.Version)
	}
	return p.Done(a, "/security#scanners", n)
}

func (p *Pages) scannerRemove(a *page.Ask) error {
	name := a.PostForm.Get("name")
	err := p.policies.Scans.Scanners.Remove(a.Context(), a.Caller, name)
	return p.done(a, err, "/security#scanners", a.Language.Text("scanner.removed", name))
}
