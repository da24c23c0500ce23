// Package version compares versions of packages as those do who number them:
// distributions (dpkg, rpm, apk) and the registries of languages.
package version

import (
	"strings"

	"deps.dev/util/semver"

	"cove/errdefs"
)

// Scheme is how versions are written and ordered.
type Scheme string

// The schemes: those of the package managers dpkg, rpm and apk, and of npm, crates.io
// (Cargo), Go modules, PyPI (PEP 440) and Maven.
const (
	Debian Scheme = "deb"
	RPM    Scheme = "rpm"
	Alpine Scheme = "apk"
	NPM    Scheme = "npm"
	Cargo  Scheme = "cargo"
	Go     Scheme = "golang"
	PyPI   Scheme = "pypi"
	Maven  Scheme = "maven"
)

var languages = map[Scheme]semver.System{
	NPM: semver.NPM, Cargo: semver.Cargo, Go: semver.Go, PyPI: semver.PyPI, Maven: semver.Maven,
}

// longest bounds the text of a version.
const longest = 256

// Version is a version that can be compared with others of its scheme.
type Version struct {
	text   string
	scheme Scheme
	parsed *semver.Version // of the languages
}

// Parse reads a version. One that its scheme does not know is errdefs.ErrInvalid.
func Parse(s Scheme, text string) (Version, error) {
	text = strings.TrimSpace(text)
	v := Version{text: text, scheme: s}
	if text == "" || len(text) > longest {
		return v, invalid(s, text)
	}
	switch s {
	case Debian, RPM:
		return v, nil
	case Alpine:
		if !validAlpine(text) {
			return v, invalid(s, text)
		}
		return v, nil
	}
	system, ok := languages[s]
	if !ok {
		return v, errdefs.Errorf(errdefs.ErrInvalid, "there is no scheme %q of versions", s)
	}
	if s == Go {
		text = "v" + strings.TrimPrefix(text, "v") // advisories write it without
	}
	if s == Maven {
		text = withoutZeros(text)
	}
	parsed, err := system.Parse(text)
	if err != nil {
		return v, errdefs.Errorf(errdefs.ErrInvalid, "version %q (%s): %w", text, s, err)
	}
	v.parsed = parsed
	return v, nil
}

// withoutZeros takes the zeros from before numbers: the library has "02" and whatever
// follows it equal to "2", which Maven does not.
func withoutZeros(text string) string {
	var b strings.Builder
	for text != "" {
		var other, number string
		other, text = prefix(text, func(c byte) bool { return !digit(c) })
		number, text = prefix(text, digit)
		b.WriteString(other)
		if short := strings.TrimLeft(number, "0"); short != "" || number == "" {
			b.WriteString(short)
		} else {
			b.WriteByte('0')
		}
	}
	return b.String()
}

func invalid(s Scheme, text string) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "%q is no version (%s)", text[:min(len(text), longest)], s)
}

// Compare is negative when v is before w, and 0 when neither is. Both are of one
// scheme.
func (v Version) Compare(w Version) int {
	switch v.scheme {
	case Debian:
		return compareDebian(v.text, w.text)
	case RPM:
		return compareRPM(v.text, w.text)
	case Alpine:
		return compareAlpine(v.text, w.text)
	}
	return v.parsed.Compare(w.parsed)
}

func (v Version) String() string { return v.text }

// Less says whether a is before b; false too when one of them is no version.
func Less(s Scheme, a, b string) bool {
	v, err := Parse(s, a)
	if err != nil {
		return false
	}
	w, err := Parse(s, b)
	return err == nil && v.Compare(w) < 0
}
