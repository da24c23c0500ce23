package feed

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"cove/errdefs"
	"cove/inventory/packages"
	"cove/registry/scan/advisory"
	"cove/registry/scan/version"
)

// document is what of OSV's schema 1.7 is read.
type document struct {
	ID               string
	Published        time.Time
	Withdrawn        *time.Time
	Aliases          []string
	Upstream         []string
	Related          []string
	Summary, Details string
	Severity         []osvSeverity
	Affected         []osvAffected
	References       []struct{ URL string }
	DatabaseSpecific struct{ Severity any } `json:"database_specific"`
}

type osvSeverity struct{ Type, Score string }

type osvAffected struct {
	Package           struct{ Ecosystem, Name string }
	Severity          []osvSeverity
	Ranges            []osvRange
	Versions          []string
	EcosystemSpecific struct{ Severity, Urgency any } `json:"ecosystem_specific"`
	DatabaseSpecific  struct{ Severity any }          `json:"database_specific"`
}

type osvRange struct {
	Type   string
	Events []struct {
		Introduced, Fixed, Limit string
		LastAffected             string `json:"last_affected"`
	}
}

// osv reads one document. One without an id is errdefs.ErrInvalid.
func osv(ctx context.Context, text []byte, to Sink) error {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	if d.ID == "" {
		return errdefs.Errorf(
			errdefs.ErrInvalid,
			"a document without an id: it is neither OSV nor Debian's security tracker",
		)
	}
	if d.Withdrawn != nil {
		return nil
	}
	var all []advisory.Advisory
	for _, a := range d.Affected {
		eco := advisory.OfOSV(a.Package.Ecosystem)
		if eco == "" {
			continue
		}
		affected, some := a.affected(eco)
		if !some {
			continue
		}
		all = append(all, advisory.Advisory{
			Ecosystem: eco, Package: packageName(eco, a.Package.Name), Severity: a.severity(d), Affected: affected,
		})
	}
	if len(all) == 0 {
		return nil // of what nobody here reads
	}
	for _, name := range d.names() {
		v := advisory.Vulnerability{
			ID: name, Title: d.Summary, Description: d.Details, Published: d.Published, Score: score(d.Severity),
		}
		v.Severity = advisory.Judged(word(d.DatabaseSpecific.Severity))
		if v.Severity == advisory.Unknown {
			v.Severity = advisory.OfScore(v.Score)
		}
		for _, r := range d.References {
			v.Links = append(v.Links, r.URL)
		}
		if err := to.Vulnerability(ctx, v); err != nil {
			return err
		}
		for _, a := range all {
			a.Vulnerability = name
			if err := to.Advisory(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// names: an advisory of a distribution is about what it has upstream, whatever that
// is called in the field.
func (d document) names() []string {
	return advisory.Names(d.ID, slices.Concat(d.Aliases, d.Upstream)...)
}

func packageName(eco, name string) string {
	if eco == packages.PyPI {
		return packages.PythonName(name)
	}
	return name
}

// word is a text where some databases have an object.
func word(v any) string {
	text, _ := v.(string)
	return text
}

// severity is what is said of the package, or else of the vulnerability.
func (a osvAffected) severity(d document) advisory.Severity {
	for _, w := range []any{
		a.EcosystemSpecific.Severity, a.EcosystemSpecific.Urgency, a.DatabaseSpecific.Severity,
		d.DatabaseSpecific.Severity,
	} {
		if s := advisory.Judged(word(w)); s != advisory.Unknown {
			return s
		}
	}
	for _, all := range [][]osvSeverity{a.Severity, d.Severity} {
		for _, s := range all {
			if judged := advisory.Judged(s.Score); judged != advisory.Unknown {
				return judged // Ubuntu's is a word
			}
		}
		if s := advisory.OfScore(score(all)); s != advisory.Unknown {
			return s
		}
	}
	return advisory.Unknown
}

// score is that of the newest version of CVSS that is there.
func score(all []osvSeverity) (best float64) {
	kind := ""
	for _, s := range all {
		if n := advisory.Score(s.Score); n > 0 && s.Type > kind {
			best, kind = n, s.Type
		}
	}
	return best
}

// affected are the versions in ranges, and of those that are named the ones that no
// range has. False says that nothing is said by versions, as where all ranges are of
// commits.
func (a osvAffected) affected(eco string) (advisory.Affected, bool) {
	var out advisory.Affected
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		out.Ranges = append(out.Ranges, r.ranges()...)
	}
	scheme := schemeOf(eco)
	for _, v := range a.Versions {
		if len(out.Ranges) > 0 {
			if _, covered := (advisory.Affected{Ranges: out.Ranges}).Match(scheme, v); covered {
				continue
			}
		}
		out.Versions = append(out.Versions, v)
	}
	return out, len(out.Ranges)+len(out.Versions) > 0
}

// ranges turns events into ranges.
func (r osvRange) ranges() (all []advisory.Range) {
	var now *advisory.Range
	for _, e := range r.Events {
		switch {
		case e.Introduced != "":
			if now != nil {
				all = append(all, *now)
			}
			now = &advisory.Range{From: e.Introduced}
			if e.Introduced == "0" {
				now.From = ""
			}
		case now != nil && (e.Fixed != "" || e.LastAffected != ""):
			now.Before, now.UpTo = e.Fixed, e.LastAffected
			all, now = append(all, *now), nil
		}
	}
	if now != nil {
		all = append(all, *now)
	}
	return all
}

// schemeOf is how the versions of an ecosystem are ordered.
func schemeOf(eco string) version.Scheme {
	for _, s := range []version.Scheme{version.NPM, version.PyPI, version.Maven, version.Cargo, version.Go} {
		if string(s) == eco {
			return s
		}
	}
	return advisory.SchemeOfSystem(eco)
}
