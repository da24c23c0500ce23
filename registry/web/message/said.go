package message

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"cove/internal/plural"
)

// The services behind the pages say in English what came of a job, what is wrong with
// what somebody typed and what the audit log tells. Logs, the API and the command line
// have that as it is. A page says it in the language of its reader, if there is a file of
// said for it: what Go's formats in the sources make, by the format, with {0}, {1} and so
// on for what was filled in. A key that ends with a space begins sentences, and what comes
// after it is looked up for itself.
//
//go:embed said/*.json
var saidFiles embed.FS

// sentence is what a format makes, in another language.
type sentence struct {
	format  string
	made    *regexp.Regexp
	literal int // characters of the format that are always there
	text    string
}

var (
	verb   = regexp.MustCompile(`%[.0-9]*[a-z]`)
	filled = regexp.MustCompile(`\{\d\}`)
	// things are the plural behind a number, and its verb, which are other words for one of them.
	things = regexp.MustCompile(`^ [a-z]+s\b(?: are\b)?`)
)

// newSentence makes the pattern of what a format makes.
func newSentence(format, text string) (s sentence, err error) {
	var pattern strings.Builder
	pattern.WriteString(`(?s)\A`)
	rest, number := format, false
	for rest != "" {
		at := verb.FindStringIndex(rest)
		if at == nil {
			at = []int{len(rest), len(rest)}
		}
		between := rest[:at[0]]
		if word := things.FindString(between); number && word != "" {
			pattern.WriteString(" (?:" + word[1:] + "|" + plural.One(word[1:]) + ")")
			between = between[len(word):]
			s.literal += len(word)
		}
		pattern.WriteString(regexp.QuoteMeta(between))
		number = rest[at[0]:at[1]] == "%d"
		s.literal += len(between)
		switch v := rest[at[0]:at[1]]; {
		case v == "":
		case strings.HasSuffix(v, "q"):
			pattern.WriteString("(\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)")
		case v == "%d":
			pattern.WriteString(`(-?\d+)`)
		default:
			pattern.WriteString(`(.*?)`)
		}
		rest = rest[at[1]:]
	}
	if strings.HasSuffix(format, " ") {
		pattern.WriteString(`(.*)`)
	}
	pattern.WriteString(`\z`)
	s.format, s.text = format, text
	s.made, err = regexp.Compile(pattern.String())
	return s, err
}

// readSaid reads the sentences of a language; one without a file has none.
func readSaid(tag string) ([]sentence, error) {
	data, err := saidFiles.ReadFile("said/" + tag + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var texts map[string]string
	if err := json.Unmarshal(data, &texts); err != nil {
		return nil, fmt.Errorf("messages said/%s: %w", tag, err)
	}
	var all []sentence
	for format, text := range texts {
		s, err := newSentence(format, text)
		if err != nil {
			return nil, fmt.Errorf("messages said/%s: %q: %w", tag, format, err)
		}
		all = append(all, s)
	}
	// Of several that could have made a sentence the one that says the most of it has.
	slices.SortFunc(all, func(a, b sentence) int {
		return cmp.Or(cmp.Compare(b.literal, a.literal), strings.Compare(a.format, b.format))
	})
	return all, nil
}

// deepest is how many sentences are looked for within one another: causes within causes.
const deepest = 4

// Said is what a service said in English, in this language. What it has no words for it
// leaves as it is.
func (l *Language) Said(text string) string {
	sentences, err := l.sentences()
	if err != nil { // what is embedded is held by the tests
		return text
	}
	return said(sentences, text, deepest)
}

func said(sentences []sentence, text string, depth int) string {
	const longest = 4096
	if depth == 0 || len(text) > longest || !strings.Contains(text, " ") {
		return text
	}
	for _, s := range sentences {
		found := s.made.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		used := 0
		out := filled.ReplaceAllStringFunc(s.text, func(at string) string {
			used++
			i := int(at[1] - '0')
			if i+1 >= len(found) {
				return at
			}
			return said(sentences, found[i+1], depth-1)
		})
		if used < len(found)-1 { // what comes after the beginning of a sentence
			out += said(sentences, found[len(found)-1], depth-1)
		}
		return out
	}
	return text
}
