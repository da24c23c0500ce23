package jwt

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cove/errdefs"
)

// Claims are what a token says, by name.
type Claims map[string]any

// Conditions are claims that a token must have, each with globs of which one must match
// its value. In a glob * stands for any text without / and :, and ** for any text: a *
// at the end of "repo:team/*" does not reach into the next part of a subject.
//
// A name with a slash reaches into a claim that is an object, as
// "kubernetes.io/namespace".
type Conditions map[string][]string

const (
	maxConditions = 16
	maxGlob       = 255
)

// Check refuses conditions that cannot be, with errdefs.ErrInvalid.
func (c Conditions) Check() error {
	invalid := func(format string, args ...any) error { return errdefs.Errorf(errdefs.ErrInvalid, format, args...) }
	switch {
	case len(c) == 0:
		return invalid("say at least one claim that tokens must have: without one, every token of the issuer would do")
	case len(c) > maxConditions:
		return invalid("%d claims; at most %d", len(c), maxConditions)
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		switch globs := c[name]; {
		case name == "" || len(name) > maxGlob || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' }):
			return invalid("claim %.100q: that is no name of a claim", name)
		case name == "iss" || name == "aud":
			return invalid("claim %s: the issuer and the audience are given by themselves", name)
		case len(globs) == 0 || len(globs) > maxConditions:
			return invalid("claim %s: give one value, and at most %d", name, maxConditions)
		}
		for _, glob := range c[name] {
			if glob == "" || len(glob) > maxGlob || strings.ContainsFunc(glob, func(r rune) bool { return r < ' ' }) {
				return invalid("claim %s: %.100q is no value; it has 1 to %d characters", name, glob, maxGlob)
			}
		}
	}
	return nil
}

// Meets is nil if the claims fulfil the conditions, and else says what is missing
// (errdefs.ErrUnauthenticated).
func (c Claims) Meets(want Conditions) error {
	if len(want) == 0 {
		return refused("no claim is asked for")
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		values, ok := texts(c.find(name))
		if !ok || len(values) == 0 {
			return refused("it has no claim %s with a text in it", name)
		}
		matches := func(value string) bool {
			return slices.ContainsFunc(want[name], func(glob string) bool { return Match(glob, value) })
		}
		if !slices.ContainsFunc(values, matches) {
			return refused("its claim %s is %.300q, which does not match %s", name, strings.Join(values, " "),
				strings.Join(want[name], " or "))
		}
	}
	return nil
}

// find is the claim of a name, or the part of one that the name reaches into.
func (c Claims) find(name string) any {
	if value, ok := c[name]; ok {
		return value
	}
	for i, r := range name {
		if inner, ok := c[name[:i]].(map[string]any); ok && r == '/' {
			return Claims(inner).find(name[i+1:])
		}
	}
	return nil
}

// texts are the values of a claim: that of a text, a number or a truth value, and those
// of a list, of which one may match. What holds anything else has none.
func texts(claim any) (list []string, ok bool) {
	switch v := claim.(type) {
	case string:
		return []string{v}, true
	case json.Number:
		return []string{v.String()}, true
	case bool:
		return []string{fmt.Sprint(v)}, true
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	}
	return nil, false
}

// Match says whether a value matches a glob.
func Match(glob, value string) bool {
	var pattern strings.Builder
	for rest := glob; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**"):
			pattern.WriteString(".*")
			rest = rest[2:]
		case rest[0] == '*':
			pattern.WriteString("[^/:]*")
			rest = rest[1:]
		default:
			literal := rest
			if i := strings.IndexByte(rest, '*'); i >= 0 {
				literal = rest[:i]
			}
			pattern.WriteString(regexp.QuoteMeta(literal))
			rest = rest[len(literal):]
		}
	}
	re, err := regexp.Compile(`(?s)\A(?:` + pattern.String() + `)\z`)
	return err == nil && re.MatchString(value)
}
