package secret

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
)

// secretWords make a variable's name look like a secret's, unless it has one of
// harmlessWords too. They are those of BuildKit's rule SecretsUsedInArgOrEnv.
var harmlessWords = []string{"public", "file", "version"}

var secretWords = []string{
	"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd",
	"secret", "token",
}

// Named says that a variable is called as secrets are, as NPM_TOKEN.
func Named(variable string) bool {
	words := strings.Split(strings.ToLower(variable), "_")
	has := func(list []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	return has(secretWords) && !has(harmlessWords)
}

// Mask returns a text with every secret in it replaced.
func (s Set) Mask(text string) string {
	if len(s.masked) == 0 || text == "" {
		return text
	}
	var out bytes.Buffer
	m := s.Masker(&out)
	_, _ = m.Write([]byte(text)) // a buffer takes everything
	_ = m.Flush()
	return out.String()
}

// MaskArg is the value of an argument or label as it may be kept: masked, and none of it
// where the name says that it is a secret, which docker's users pass like that.
func (s Set) MaskArg(name, value string) string {
	if Named(name) && value != "" {
		return mask
	}
	return s.Mask(MaskURL(value))
}

// MaskURL is a text without the user and password of the URL that it may be, as BuildKit
// writes one in provenance.
func MaskURL(text string) string {
	if !strings.Contains(text, "://") || !strings.Contains(text, "@") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return mask // what cannot be taken apart may hold one
	}
	if u.User == nil {
		return text
	}
	u.User = url.UserPassword("xxxxx", "xxxxx")
	return u.String()
}
