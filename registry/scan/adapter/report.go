package adapter

import (
	"strings"
	"unicode"

	"cove/registry/scan/advisory"
)

// Report is what a scanner found.
type Report struct {
	Scanner         Scanner         `json:"scanner"`
	Artifact        Artifact        `json:"artifact"` // as the scanner says; "" if it does not
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

// The most of each text that is kept, in bytes: databases have no room for more in an index.
const (
	longestID   = 200
	longestText = 500
)

// Clean is the vulnerability as it is kept: what is longer than a name is cut, and bytes
// that are no text are left out.
func (v Vulnerability) Clean() Vulnerability {
	v.ID, v.Package = clean(v.ID, longestID), clean(v.Package, longestText)
	v.Version, v.FixVersion = clean(v.Version, longestText), clean(v.FixVersion, longestText)
	return v
}

func clean(text string, most int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text))
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// Judged is its severity.
func (v Vulnerability) Judged() advisory.Severity { return advisory.Judged(v.Severity) }

// Score is that of CVSS, from 0 to 10; 0 if there is none.
func (v Vulnerability) Score() float64 {
	const highest = 10
	score := 0.0
	switch {
	case v.CVSS == nil:
	case v.CVSS.V3 != nil:
		score = *v.CVSS.V3
	case v.CVSS.V2 != nil:
		score = *v.CVSS.V2
	}
	return min(max(score, 0), highest)
}

// Title is the first line of the description, in a length that lists bear.
func (v Vulnerability) Title() string {
	const longest = 200
	line, _, _ := strings.Cut(strings.TrimSpace(v.Description), "\n")
	line = clean(line, 8*longest)
	if runes := []rune(line); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return line
}
