package places

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/registry/harbor/edge"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
	"cove/registry/scan/advisory"
	"cove/registry/scan/gate"
)

// Harbor's settings of a project about scans, which here are those of its gate.
const (
	autoScan = "auto_scan"
	autoSBOM = "auto_sbom_generation"
	prevents = "prevent_vul"
	severity = "severity"                // from which on nothing is pulled, while prevents is on
	ofSystem = "reuse_sys_cve_allowlist" // on: the project has no exceptions of its own
)

// scanning is what a request says of scans; what is nil stays.
type scanning struct {
	onPush, sbom, prevents *bool
	from                   *advisory.Severity
	// exceptions are to be those of the project.
	exceptions *shape.Allowlist
}

func isScanning(name string) bool {
	return slices.Contains([]string{autoScan, autoSBOM, prevents, severity, ofSystem}, name)
}

// say takes one setting; what it returns says that the value is none.
func (s *scanning) say(name, value string) error {
	if name == severity {
		from, err := advisory.ParseSeverity(value)
		s.from = &from
		return err
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return edge.Invalid("metadata: %s %q is neither true nor false", name, value)
	}
	switch name {
	case autoScan:
		s.onPush = &on
	case autoSBOM:
		s.sbom = &on
	case prevents:
		s.prevents = &on
	case ofSystem:
		if on {
			s.exceptions = &shape.Allowlist{}
		}
	}
	return nil
}

// list takes the exceptions of a request. One without any says nothing, unless the setting
// ofSystem says that there are to be none.
func (s *scanning) list(l *shape.Allowlist) error {
	switch {
	case l == nil || len(l.Items) == 0:
		return nil
	case s.exceptions != nil:
		return edge.Unsupported("cve_allowlist of a project beside %s: those of the registry always hold, too", ofSystem)
	}
	s.exceptions = l
	return nil
}

// settled are a project's settings with what the request says.
func (s *scanning) settled(now gate.Settings) (gate.Settings, error) {
	if s.onPush != nil {
		now.OnPush = *s.onPush
	}
	if s.sbom != nil {
		switch {
		case !*s.sbom:
			now.SBOM = ""
		case now.SBOM == "":
			now.SBOM = "spdx" // Harbor's
		}
	}
	gated := now.From != advisory.None
	if s.prevents != nil {
		gated = *s.prevents
	}
	switch {
	case !gated && s.from != nil && s.prevents == nil:
		return now, edge.Unsupported("%s without %s: it is kept while that is on", severity, prevents)
	case !gated:
		now.From, now.Unscanned = advisory.None, ""
		return now, nil
	case s.from != nil:
		now.From = *s.from
	case now.From == advisory.None:
		return now, edge.Invalid("metadata: %s needs %s", prevents, severity)
	}
	now.Unscanned = cmp.Or(now.Unscanned, gate.Block) // as Harbor does
	return now, nil
}

// setScans does what a request says of scans, where that is something else than what is.
func (o operations) setScans(asked *edge.Ask, want scanning) error {
	gates := o.Policies.Scans.Gates
	now, err := gate.SettingsOf(asked.Context(), o.DB.Querier(), asked.Project)
	if err != nil {
		return err
	}
	next, err := want.settled(now)
	if err == nil && next != now {
		err = gates.Set(asked.Context(), asked.Caller, asked.Project, next)
	}
	if err != nil || want.exceptions == nil {
		return err
	}
	return o.except(asked, *want.exceptions)
}

// except has the exceptions of a project be those of a list.
func (o operations) except(asked *edge.Ask, list shape.Allowlist) error {
	gates := o.Policies.Scans.Gates
	have, err := gates.Exceptions(asked.Context(), asked.Caller, asked.Project)
	if err != nil {
		return err
	}
	var expires time.Time
	if list.Expires != nil && *list.Expires > 0 {
		expires = time.Unix(*list.Expires, 0)
	}
	wanted := map[string]bool{}
	for _, item := range list.Items {
		wanted[item.ID] = true
	}
	for _, e := range have {
		switch {
		case !wanted[e.Vulnerability]:
			err = gates.Insist(asked.Context(), asked.Caller, asked.Project, e.Vulnerability)
		case e.Expires.Equal(expires):
			delete(wanted, e.Vulnerability)
		}
		if err != nil {
			return err
		}
	}
	for _, item := range list.Items { // in the order of the list, which is shown again
		if !wanted[item.ID] {
			continue
		}
		err := gates.Except(asked.Context(), asked.Caller, asked.Project, gate.Exception{
			Vulnerability: item.ID, Expires: expires,
		})
		if err != nil {
			return err
		}
		delete(wanted, item.ID)
	}
	return nil
}

// scanned adds the settings about scans to those of a project, and its exceptions to it, for
// who may see them.
func (o operations) scanned(asked *edge.Ask, m shape.Metadata) ([]gate.Exception, error) {
	if !o.May(asked, gate.Read) {
		return nil, nil
	}
	s, err := gate.SettingsOf(asked.Context(), o.DB.Querier(), asked.Project)
	if err != nil {
		return nil, err
	}
	own, err := o.Policies.Scans.Gates.Exceptions(asked.Context(), asked.Caller, asked.Project)
	m[autoScan] = strconv.FormatBool(s.OnPush)
	m[autoSBOM] = strconv.FormatBool(s.SBOM != "")
	m[prevents] = strconv.FormatBool(s.From != advisory.None)
	m[ofSystem] = strconv.FormatBool(len(own) == 0)
	if s.From != advisory.None {
		m[severity] = strings.ToLower(s.From.String())
	}
	return own, err
}

// allowlist are the exceptions of a project as Harbor has them: with one end for all, which
// is the first.
func allowlist(p listing.Project, own []gate.Exception) *shape.Allowlist {
	list := &shape.Allowlist{ID: p.ID, ProjectID: p.ID, Items: []shape.AllowedCVE{}}
	slices.SortStableFunc(own, func(a, b gate.Exception) int { return a.At.Compare(b.At) })
	for _, e := range own {
		list.Items = append(list.Items, shape.AllowedCVE{ID: e.Vulnerability})
		if ends := e.Expires.Unix(); !e.Expires.IsZero() && (list.Expires == nil || ends < *list.Expires) {
			list.Expires = &ends
		}
	}
	return list
}
