package scans

import (
	"strings"
	"time"

	"cove/registry/api/rest"
	"cove/registry/scan"
	"cove/registry/scan/advisory"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
)

// Summary counts vulnerabilities, each once, as Harbor does.
type Summary struct {
	Total   int            `json:"total"`
	Fixable int            `json:"fixable"` // that a newer version mends
	Summary map[string]int `json:"summary"` // by severity: Critical, High, Medium, Low, Negligible, Unknown
}

func summaryOf(s advisory.Summary) Summary {
	out := Summary{s.Total(), s.Fixable, map[string]int{}}
	for _, severity := range advisory.Severities() {
		if n := s.Of(severity); n > 0 {
			out.Summary[severity.String()] = n
		}
	}
	return out
}

// Finding is a vulnerability of a package.
type Finding struct {
	ID       string  `json:"id"`
	Severity string  `json:"severity"`
	Score    float64 `json:"score"` // of CVSS, 0 if there is none
	Package  string  `json:"package"`
	Type     string  `json:"type"` // of the package: deb, rpm, apk, npm, pypi, maven, cargo, golang
	Version  string  `json:"version"`
	Fixed    string  `json:"fixVersion"` // "" if none is known
	Status   string  `json:"status"`     // why there is none, as will_not_fix
	Title    string  `json:"title"`
	// Allowed: an exception of the project lets it through its gate.
	Allowed bool `json:"allowed"`
}

// Scan is what is known of an image.
type Scan struct {
	Repository string    `json:"repository"`
	Digest     string    `json:"digest"`
	State      string    `json:"state"` // scanned, failed
	Note       string    `json:"note"`  // why it failed, or what was not read
	System     string    `json:"system"`
	Scanner    string    `json:"scanner,omitempty"` // of others, that scanned it; "" is the registry's own
	Packages   int       `json:"packages"`
	Severity   string    `json:"severity"` // the worst
	Summary    Summary   `json:"summary"`
	ScannedAt  time.Time `json:"scannedAt"`
	// Gated: the project has a gate; Held: it keeps the image back.
	Gated           bool      `json:"gated"`
	Held            bool      `json:"held"`
	Vulnerabilities []Finding `json:"vulnerabilities"`
}

// Reports are what is known of the images of an artifact.
type Reports struct {
	Items []Scan `json:"items"`
}

// ScanOf is a report as the API and the command line show it.
func ScanOf(r scan.Report, found []results.Found) Scan {
	held := map[string]bool{}
	for _, f := range r.Verdict.Held {
		held[f.Vulnerability] = true
	}
	out := Scan{
		Repository: r.Repository, Digest: r.Image.Digest.String(), State: string(r.State), Note: r.Note,
		System: r.System, Scanner: r.Scanner, Packages: r.Packages, Severity: r.Summary.Worst().String(),
		Summary:   summaryOf(r.Summary),
		ScannedAt: r.At.UTC(), Gated: r.Gated, Held: r.Held, Vulnerabilities: []Finding{},
	}
	for _, f := range found {
		out.Vulnerabilities = append(out.Vulnerabilities, Finding{
			ID: f.Vulnerability, Severity: f.Severity.String(), Score: f.Score, Package: f.Package, Type: f.Type,
			Version: f.Version, Fixed: f.Fixed, Status: f.Status, Title: f.Title,
			Allowed: r.Gated && f.Severity >= r.From && !held[f.Vulnerability],
		})
	}
	return out
}

// Asked are the jobs that do what was asked for.
type Asked struct {
	Jobs []string `json:"jobs"`
}

// Attached is an SBOM that is a referrer now.
type Attached struct {
	Digest string `json:"digest"`
}

// Entry is an image in a list.
type Entry struct {
	Repository string    `json:"repository"`
	Digest     string    `json:"digest"`
	Tags       []string  `json:"tags"` // at most five of them
	State      string    `json:"state"`
	Severity   string    `json:"severity"` // the worst
	Summary    Summary   `json:"summary"`
	ScannedAt  time.Time `json:"scannedAt"`
}

// EntryOf is one as the API and the command line show it.
func EntryOf(e results.Entry) Entry {
	return Entry{
		e.Repository, e.Digest.String(), append([]string{}, e.Tags...), string(e.State), e.Summary.Worst().String(),
		summaryOf(e.Summary), e.At.UTC(),
	}
}

func entriesOf(page []results.Entry) (all []Entry) {
	for _, e := range page {
		all = append(all, EntryOf(e))
	}
	return all
}

// Overview is how the whole registry stands.
type Overview struct {
	Images    int            `json:"images"`
	Scanned   int            `json:"scanned"`
	Failed    int            `json:"failed"`
	Waiting   int            `json:"waiting"` // that were not scanned
	Artifacts map[string]int `json:"artifacts"`
	// Vulnerabilities are those of all images, each counted once.
	Vulnerabilities map[string]int `json:"vulnerabilities"`
	Databases       []Database     `json:"databases"`
}

// OverviewOf is one as the API and the command line show it.
func OverviewOf(o scan.Overview) Overview {
	out := Overview{
		Images: o.Images, Scanned: o.Scanned, Failed: o.Failed, Waiting: o.Waiting(),
		Artifacts: map[string]int{}, Vulnerabilities: map[string]int{}, Databases: []Database{},
	}
	for severity, n := range o.ByWorst {
		out.Artifacts[severity.String()] = n
	}
	for _, severity := range advisory.Severities() {
		if n := o.Vulnerabilities.Of(severity); n > 0 {
			out.Vulnerabilities[severity.String()] = n
		}
	}
	for _, d := range o.Databases {
		out.Databases = append(out.Databases, DatabaseOf(d))
	}
	return out
}

// Vulnerability is what is known of one.
type Vulnerability struct {
	ID          string           `json:"id"`
	Severity    string           `json:"severity"`
	Score       float64          `json:"score"` // of CVSS, 0 if there is none
	Title       string           `json:"title"`
	Description string           `json:"description"`
	Links       []string         `json:"links"`
	PublishedAt *time.Time       `json:"publishedAt,omitempty"`
	Artifacts   rest.Page[Entry] `json:"artifacts"` // that have it
}

// VulnerabilityOf is one as the API and the command line show it.
func VulnerabilityOf(v advisory.Vulnerability) Vulnerability {
	return Vulnerability{
		ID: v.ID, Severity: v.Severity.String(), Score: v.Score, Title: v.Title, Description: v.Description,
		Links: append([]string{}, v.Links...), PublishedAt: rest.Moment(v.Published),
	}
}

// Database is a database of vulnerabilities.
type Database struct {
	Name            string    `json:"name"`
	Form            string    `json:"form"` // osv, debian-tracker
	Origin          string    `json:"origin"`
	Advisories      int       `json:"advisories"`
	Vulnerabilities int       `json:"vulnerabilities"`
	ImportedAt      time.Time `json:"importedAt"`
	ImportedBy      string    `json:"importedBy"`
}

// Databases are all of them.
type Databases struct {
	Items []Database `json:"items"`
}

// DatabaseOf is one as the API and the command line show it.
func DatabaseOf(s vulndb.Source) Database {
	return Database{s.Name, s.Form, s.Origin, s.Advisories, s.Vulnerabilities, s.At.UTC(), s.By}
}

// Settings are what a project wants of scans.
type Settings struct {
	ScanOnPush bool   `json:"scanOnPush"`
	SBOM       string `json:"sbom,omitempty"`     // attached after a scan: spdx, cyclonedx; "" is none
	Severity   string `json:"severity,omitempty"` // from which on nothing is pulled; "" is no gate
	// Unscanned is what becomes of images that were not scanned: allow or block. It is
	// to be chosen with a severity.
	Unscanned string `json:"unscanned,omitempty"`
	Scanner   string `json:"scanner,omitempty"` // which one scans: "" is the default of the registry, or built-in
}

// SettingsOf are settings as the API and the command line show them.
func SettingsOf(s gate.Settings) Settings {
	out := Settings{ScanOnPush: s.OnPush, SBOM: s.SBOM, Unscanned: s.Unscanned, Scanner: s.Scanner}
	if s.From != advisory.None {
		out.Severity = strings.ToLower(s.From.String())
	}
	return out
}

func (s Settings) settings() (gate.Settings, error) {
	out := gate.Settings{OnPush: s.ScanOnPush, SBOM: s.SBOM, Unscanned: s.Unscanned, Scanner: s.Scanner}
	if s.Severity == "" {
		return out, nil
	}
	var err error
	out.From, err = advisory.ParseSeverity(s.Severity)
	return out, err
}

// Check says what is wrong with settings. The error is errdefs.ErrInvalid.
func (s Settings) Check() error {
	of, err := s.settings()
	if err != nil {
		return err
	}
	return of.Check()
}

// Exception lets a vulnerability through.
type Exception struct {
	ID        string     `json:"id"`
	Expires   *time.Time `json:"expires,omitempty"`
	Expired   bool       `json:"expired"`
	Reason    string     `json:"reason"`
	By        string     `json:"by"`
	CreatedAt time.Time  `json:"createdAt"`
}

// Exceptions are all of a project, or of all projects.
type Exceptions struct {
	Items []Exception `json:"items"`
}

// NewException says how a vulnerability is let through.
type NewException struct {
	Expires *time.Time `json:"expires,omitempty"` // never if it is not said
	Reason  string     `json:"reason,omitempty"`
}

// ExceptionOf is one as the API and the command line show it.
func ExceptionOf(e gate.Exception, now time.Time) Exception {
	return Exception{
		e.Vulnerability, rest.Moment(e.Expires), e.Expired(now), e.Reason, e.By, e.At.UTC(),
	}
}
