// Package advisory is what databases of vulnerabilities say: which versions of which
// packages a vulnerability is in, where it is mended, and how bad it is.
package advisory

import (
	"encoding/json"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"cove/errdefs"
)

// Severity is how bad a vulnerability is. They are Harbor's, and grow.
type Severity int

// The severities. Unknown is what nobody has judged yet.
const (
	None Severity = iota
	Unknown
	Negligible
	Low
	Medium
	High
	Critical
)

var severities = [...]string{"None", "Unknown", "Negligible", "Low", "Medium", "High", "Critical"}

// Severities lists those that a vulnerability can have, the worst first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low, Negligible, Unknown} }

func (s Severity) String() string {
	if s < 0 || int(s) >= len(severities) {
		return severities[Unknown]
	}
	return severities[s]
}

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a severity's name.
func (s *Severity) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSeverity(string(text))
	return err
}

// ParseSeverity reads a severity as people type it, "high". Another word is
// errdefs.ErrInvalid.
func ParseSeverity(text string) (Severity, error) {
	for i, name := range severities {
		if strings.EqualFold(text, name) && i > int(None) {
			return Severity(i), nil
		}
	}
	return Unknown, errdefs.Errorf(errdefs.ErrInvalid,
		"severity %q: use critical, high, medium, low, negligible or unknown", text)
}

// words are those that databases use besides.
var words = map[string]Severity{
	"important": High, "moderate": Medium, "minor": Low, "unimportant": Negligible, "minimal": Negligible,
	"end-of-life": Unknown, "not yet assigned": Unknown, "untriaged": Unknown,
}

// Judged is the severity that a database's word stands for; Unknown for one that
// nobody knows.
func Judged(word string) Severity {
	word = strings.ToLower(strings.Trim(strings.TrimSpace(word), "*"))
	if s, ok := words[word]; ok {
		return s
	}
	s, err := ParseSeverity(word)
	if err != nil {
		return Unknown
	}
	return s
}

// Score is the base score of a CVSS vector, of any version; 0 for what is none.
func Score(vector string) float64 {
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		if v, err := gocvss40.ParseVector(vector); err == nil {
			return v.Score()
		}
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		if v, err := gocvss31.ParseVector(vector); err == nil {
			return v.BaseScore()
		}
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		if v, err := gocvss30.ParseVector(vector); err == nil {
			return v.BaseScore()
		}
	default:
		if v, err := gocvss20.ParseVector(vector); err == nil {
			return v.BaseScore()
		}
	}
	return 0
}

// OfScore is the severity of a CVSS score, by its qualitative scale.
func OfScore(score float64) Severity {
	switch {
	case score >= 9:
		return Critical
	case score >= 7:
		return High
	case score >= 4:
		return Medium
	case score > 0:
		return Low
	}
	return Unknown
}

// Summary counts vulnerabilities by severity, each once. Fixable are those that a
// newer version mends.
type Summary struct {
	Critical, High, Medium, Low, Negligible, Unknown, Fixable int
}

// Add counts one.
func (s *Summary) Add(severity Severity, fixable bool) {
	s.Count(severity, 1)
	if fixable {
		s.Fixable++
	}
}

// Count counts so many of a severity.
func (s *Summary) Count(severity Severity, n int) {
	switch severity {
	case Critical:
		s.Critical += n
	case High:
		s.High += n
	case Medium:
		s.Medium += n
	case Low:
		s.Low += n
	case Negligible:
		s.Negligible += n
	default:
		s.Unknown += n
	}
}

// Of is how many there are of a severity.
func (s Summary) Of(severity Severity) int {
	return map[Severity]int{
		Critical: s.Critical, High: s.High, Medium: s.Medium, Low: s.Low, Negligible: s.Negligible, Unknown: s.Unknown,
	}[severity]
}

// Plus is what two images have together.
func (s Summary) Plus(o Summary) Summary {
	return Summary{
		Critical: s.Critical + o.Critical, High: s.High + o.High, Medium: s.Medium + o.Medium, Low: s.Low + o.Low,
		Negligible: s.Negligible + o.Negligible, Unknown: s.Unknown + o.Unknown, Fixable: s.Fixable + o.Fixable,
	}
}

// Total is how many there are.
func (s Summary) Total() int {
	return s.Critical + s.High + s.Medium + s.Low + s.Negligible + s.Unknown
}

// Worst is the worst severity there is; None without any.
func (s Summary) Worst() Severity {
	for _, severity := range Severities() {
		if s.Of(severity) > 0 {
			return severity
		}
	}
	return None
}

// MarshalJSON writes the shape that Harbor has.
func (s Summary) MarshalJSON() ([]byte, error) {
	counts := map[string]int{}
	for _, severity := range Severities() {
		if n := s.Of(severity); n > 0 {
			counts[severity.String()] = n
		}
	}
	return json.Marshal(struct {
		Total   int            `json:"total"`
		Fixable int            `json:"fixable"`
		Counts  map[string]int `json:"summary"`
	}{s.Total(), s.Fixable, counts})
}
