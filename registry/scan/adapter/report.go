package adapter

import (
	"strings"

	"cove/registry/scan/advisory"
)

// Report is what a scanner found.
type Report struct {
	Scanner         Scanner         `json:"scanner"`
	Vulnerabilities []Vulnerability `json:"vulnerabilities"`
}

// Vulnerability is one of a package.
type Vulnerability struct {
	ID          string  `json:"id"`
	Package     string  `json:"package"`
	Version     string  `json:"version"`
	FixVersion  string  `json:"fix_version"`
	Severity    string  `json:"severity"`
	Description string  `json:"description"`
	CVSS        *scores `json:"preferred_cvss"`
}

type scores struct {
	V3 *float64 `json:"score_v3"`
	V2 *float64 `json:"score_v2"`
}

// Judged is its severity.
func (v Vulnerability) Judged() advisory.Severity { return advisory.Judged(v.Severity) }

// Score is that of CVSS, 0 if there is none.
func (v Vulnerability) Score() float64 {
	switch {
	case v.CVSS == nil:
		return 0
	case v.CVSS.V3 != nil:
		return *v.CVSS.V3
	case v.CVSS.V2 != nil:
		return *v.CVSS.V2
	}
	return 0
}

// Title is the first line of the description, in a length that lists bear.
func (v Vulnerability) Title() string {
	const longest = 200
	line, _, _ := strings.Cut(strings.TrimSpace(v.Description), "\n")
	if runes := []rune(line); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return line
}
