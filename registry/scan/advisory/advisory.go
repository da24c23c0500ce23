package advisory

import (
	"slices"
	"strings"
	"time"

	"cove/registry/scan/version"
)

// Advisory says of one package in which versions a vulnerability is.
type Advisory struct {
	Vulnerability string // "CVE-2024-1234"; another name where it has none
	Ecosystem     string // see Ecosystem
	Package       string // by the name that it has there
	Severity      Severity
	Affected
}

// Affected are the versions that have a vulnerability: those within a range, and
// those that are named. Nothing at all are all versions.
type Affected struct {
	Ranges   []Range  `json:"r,omitempty"`
	Versions []string `json:"v,omitempty"`
	// Status says why there is no mended version, as "will_not_fix"; "" when there is
	// no reason.
	Status string `json:"s,omitempty"`
}

// Range is from a version on, "" is from the first, and before one, or up to one; ""
// is without end.
type Range struct {
	From   string `json:"f,omitempty"`
	Before string `json:"b,omitempty"`
	UpTo   string `json:"u,omitempty"`
}

// Match says whether a version has the vulnerability, and which version mends it.
// What is no version by its scheme is only found among those that are named.
func (a Affected) Match(s version.Scheme, text string) (fixed string, affected bool) {
	if len(a.Ranges) == 0 && len(a.Versions) == 0 {
		return "", true
	}
	v, err := version.Parse(s, text)
	for _, r := range a.Ranges {
		if err == nil && r.has(v, s) && sameStream(s, text, r.Before) {
			return r.Before, true
		}
	}
	named := slices.Contains(a.Versions, text) ||
		s == version.Go && slices.Contains(a.Versions, strings.TrimPrefix(text, "v"))
	if !named {
		return "", false
	}
	return a.mended(s, v, err), true
}

// mended is the first version after v that a range ends before.
func (a Affected) mended(s version.Scheme, v version.Version, err error) (first string) {
	for _, r := range a.Ranges {
		w, bad := version.Parse(s, r.Before)
		if err == nil && bad == nil && w.Compare(v) > 0 && (first == "" || version.Less(s, r.Before, first)) {
			first = r.Before
		}
	}
	return first
}

func (r Range) has(v version.Version, s version.Scheme) bool {
	if r.From != "" && r.From != "0" {
		if from, err := version.Parse(s, r.From); err != nil || v.Compare(from) < 0 {
			return false
		}
	}
	if r.Before != "" {
		before, err := version.Parse(s, r.Before)
		return err == nil && v.Compare(before) < 0
	}
	if r.UpTo != "" {
		last, err := version.Parse(s, r.UpTo)
		return err == nil && v.Compare(last) <= 0
	}
	return true
}

// sameStream keeps modular packages of rpm, which are built beside the others of
// their name, from being compared with those.
func sameStream(s version.Scheme, have, fixed string) bool {
	return s != version.RPM || fixed == "" || strings.Contains(have, ".module") == strings.Contains(fixed, ".module")
}

// Vulnerability is what is said of one whatever it is in.
type Vulnerability struct {
	ID          string
	Severity    Severity
	Score       float64 // CVSS, 0 if nobody has given one
	Title       string
	Description string
	Links       []string
	Published   time.Time
}

// Bounds on what is kept of the texts.
const (
	maxTitle       = 200
	maxDescription = 2000
	maxLinks       = 8
	maxID          = 128
	maxName        = 512
	maxAffected    = 256 << 10
)

// Trim cuts what is longer than is kept. False says that there is nothing to keep.
func (v *Vulnerability) Trim() bool {
	v.Title = text(v.Title, maxTitle)
	v.Description = text(v.Description, maxDescription)
	v.Links = slices.DeleteFunc(v.Links, func(l string) bool {
		return !strings.HasPrefix(l, "https://") && !strings.HasPrefix(l, "http://") || len(l) > maxDescription ||
			text(l, maxDescription) != l
	})
	v.Links = v.Links[:min(len(v.Links), maxLinks)]
	return v.ID != "" && len(v.ID) <= maxID && text(v.ID, maxID) == v.ID
}

// Sound says whether an advisory can be kept.
func (a Advisory) Sound() bool {
	size := 0
	for _, v := range a.Versions {
		size += len(v) + 3
	}
	return a.Vulnerability != "" && len(a.Vulnerability) <= maxID && a.Package != "" && len(a.Package) <= maxName &&
		a.Ecosystem != "" && size+len(a.Ranges)*64 <= maxAffected &&
		text(a.Vulnerability+a.Package, maxID+maxName) == a.Vulnerability+a.Package
}

// text is at most so many bytes, and what every database takes.
func text(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-3], "") + "…"
}

// Names are the names under which a vulnerability is kept that has several: those of
// CVE, or else its own.
func Names(id string, others ...string) []string {
	var cves []string
	for _, name := range append([]string{id}, others...) {
		if strings.HasPrefix(name, "CVE-") && !slices.Contains(cves, name) {
			cves = append(cves, name)
		}
	}
	if len(cves) == 0 {
		return []string{id}
	}
	return cves
}
