package syntax

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/plan"
)

// Word processors and web pages turn hyphens and quotes into others that look
// alike. As a flag or in JSON they would do nothing, and in silence.

// reDash finds what becomes of "--" or "-" before a flag.
var reDash = regexp.MustCompile(`^[\x{2010}-\x{2015}\x{2212}]+\w`)

// quotes are what becomes of a straight quote.
const quotes = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2032\u2033\uff02\uff07"

// BeginsWithDash says that a word begins with a dash where a flag has hyphens.
func BeginsWithDash(word string) bool { return reDash.MatchString(word) }

func isQuote(r rune) bool { return strings.ContainsRune(quotes, r) }

// Typographic says what the first letter of s is and what was meant.
func Typographic(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	if isQuote(r) {
		return fmt.Sprintf(`%c (%U) is a typographic quote: write a straight one, "`, r, r)
	}
	return fmt.Sprintf("%c (%U) is a typographic dash: a flag begins with hyphens, --", r, r)
}

// checkTypography refuses a flag that begins with a typographic dash, an exec
// form with typographic quotes, and an argument in them where nobody means the
// quote itself. What a shell gets may mean anything, and is only warned of.
func (s *Source) checkTypography(tree *parser.Node) error {
	for _, n := range tree.Children {
		verb, rest, _ := strings.Cut(strings.TrimSpace(n.Original), " ")
		if strings.EqualFold(verb, "ONBUILD") {
			verb, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
		}
		rest = strings.TrimSpace(rest)
		if BeginsWithDash(rest) {
			word, _, _ := strings.Cut(rest, " ")
			return plan.At(s.At(n.StartLine), invalid("%q: %s", word, Typographic(rest)))
		}
		if inside, ok := strings.CutPrefix(rest, "["); ok {
			rest = strings.TrimLeft(inside, " \t")
		} else if !takesNames(verb) {
			continue
		}
		if r, _ := utf8.DecodeRuneInString(rest); isQuote(r) {
			return plan.At(s.At(n.StartLine), invalid("%s", Typographic(rest)))
		}
	}
	return nil
}

// takesNames says that the arguments of an instruction are names and paths.
func takesNames(verb string) bool {
	switch strings.ToUpper(verb) {
	case "FROM", "COPY", "ADD", "WORKDIR", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "SHELL":
		return true
	}
	return false
}
