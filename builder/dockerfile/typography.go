package dockerfile

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

func isQuote(r rune) bool { return strings.ContainsRune(quotes, r) }

// typographic says what the first letter of s is and what was meant.
func typographic(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	if isQuote(r) {
		return fmt.Sprintf(`%c (%U) is a typographic quote: write a straight one, "`, r, r)
	}
	return fmt.Sprintf("%c (%U) is a typographic dash: a flag begins with hyphens, --", r, r)
}

// checkTypography refuses a flag that begins with a typographic dash, an exec
// form with typographic quotes, and an argument in them where nobody means the
// quote itself. What a shell gets may mean anything, and is only warned of.
func (c *converter) checkTypography(tree *parser.Node) error {
	for _, n := range tree.Children {
		verb, rest, _ := strings.Cut(strings.TrimSpace(n.Original), " ")
		if strings.EqualFold(verb, "ONBUILD") {
			verb, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
		}
		rest = strings.TrimSpace(rest)
		if reDash.MatchString(rest) {
			word, _, _ := strings.Cut(rest, " ")
			return plan.At(c.source.at(n.StartLine), invalid("%q: %s", word, typographic(rest)))
		}
		if inside, ok := strings.CutPrefix(rest, "["); ok {
			rest = strings.TrimLeft(inside, " \t")
		} else if !takesNames(verb) {
			c.lintDashes(n, verb, rest)
			continue
		}
		if r, _ := utf8.DecodeRuneInString(rest); isQuote(r) {
			return plan.At(c.source.at(n.StartLine), invalid("%s", typographic(rest)))
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

// lintDashes warns of a word of a command that begins with a typographic dash.
func (c *converter) lintDashes(n *parser.Node, verb, command string) {
	switch strings.ToUpper(verb) {
	case "RUN", "CMD", "ENTRYPOINT":
	default:
		return
	}
	for _, word := range strings.Fields(command) {
		if reDash.MatchString(word) {
			c.lint.Run(ourRule("TypographicDash"), n.Location(), word+": "+typographic(word))
			return
		}
	}
}
