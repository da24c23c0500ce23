package rights

import (
	"regexp"
	"strings"

	"cove/errdefs"
)

// Everywhere is the glob of all repositories.
const Everywhere = "*"

var glob = regexp.MustCompile(`^[a-z0-9._/*?-]{1,255}$`)

// CheckGlob refuses what matches no name of a repository. In a glob "*" stands for
// any text, slashes too, and "?" for one character.
func CheckGlob(text string) error {
	if !glob.MatchString(text) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"repositories %q: use the characters of a name, with * for any text and ? for one character", text)
	}
	return nil
}

// Like is a glob as a pattern of SQL's LIKE, whose escape is a backslash.
func Like(glob string) string {
	return strings.NewReplacer("_", `\_`, "*", "%", "?", "_").Replace(glob)
}

// Match says whether a name matches a glob, as LIKE does with the pattern of Like.
func Match(glob, name string) bool {
	// where to go on after a mismatch: one character further behind the last "*"
	star, from := -1, 0
	g, n := 0, 0
	for n < len(name) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, from = g, n
			g++
		case g < len(glob) && (glob[g] == '?' || glob[g] == name[n]):
			g++
			n++
		case star >= 0:
			from++
			g, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}
