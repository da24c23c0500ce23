// Package message holds what the registry's pages say, in every language that
// they speak. A language is a file of this folder: texts by key, with {0}, {1} and
// so on for what is filled in, and under the key "language" its own name. A text
// that depends on a number has a key for each form that the language has, as
// "tags.one" and "tags.other" (the categories of Unicode's CLDR).
package message

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed *.json
var files embed.FS

// Catalogue is all languages, English first.
type Catalogue struct {
	languages []*Language
	matcher   language.Matcher
}

// Language is one of them.
type Language struct {
	Tag   language.Tag
	texts map[string]string
	// sentences are made when the first is asked for: a server may have no reader of the language.
	sentences func() ([]sentence, error)
}

// Load reads the catalogue.
func Load() (*Catalogue, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, err
	}
	c := &Catalogue{}
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		l := &Language{}
		if l.Tag, err = language.Parse(strings.TrimSuffix(name, ".json")); err != nil {
			return nil, fmt.Errorf("messages %s: %w", name, err)
		}
		if err := json.Unmarshal(data, &l.texts); err != nil {
			return nil, fmt.Errorf("messages %s: %w", name, err)
		}
		l.sentences = sync.OnceValues(func() ([]sentence, error) { return readSaid(l.Tag.String()) })
		c.languages = append(c.languages, l)
	}
	slices.SortStableFunc(c.languages, func(a, b *Language) int {
		return strings.Compare(order(a.Tag), order(b.Tag))
	})
	tags := make([]language.Tag, len(c.languages))
	for i, l := range c.languages {
		tags[i] = l.Tag
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

// order puts English, which everyone gets whose language is not here, first.
func order(tag language.Tag) string {
	if tag == language.English {
		return ""
	}
	return tag.String()
}

// Languages lists all.
func (c *Catalogue) Languages() []*Language { return c.languages }

// Choose is the language that was chosen ("" if none was), or the one that suits
// a request's Accept-Language best.
func (c *Catalogue) Choose(chosen, accept string) *Language {
	for _, l := range c.languages {
		if l.Tag.String() == chosen {
			return l
		}
	}
	const longest = 256 // browsers send far less; parsing is for strangers too
	if len(accept) > longest {
		accept = accept[:longest]
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(wanted) == 0 {
		return c.languages[0]
	}
	_, i, _ := c.matcher.Match(wanted...)
	return c.languages[i]
}

// Name is what the language calls itself.
func (l *Language) Name() string { return l.texts["language"] }

// Text is the text of a key with what is filled in. A key that is missing is
// shown itself; the tests allow none.
func (l *Language) Text(key string, fill ...any) string {
	text, ok := l.texts[key]
	if !ok {
		return key
	}
	for i, v := range fill {
		text = strings.ReplaceAll(text, "{"+strconv.Itoa(i)+"}", fmt.Sprint(v))
	}
	return text
}

// Count is the text of a key for a number, which is {0} in it.
func (l *Language) Count(key string, n int64, fill ...any) string {
	form := plural.Cardinal.MatchPlural(l.Tag, int(min(n, 1<<30)), 0, 0, 0, 0)
	full := key + "." + formNames[form]
	if _, ok := l.texts[full]; !ok {
		full = key + ".other"
	}
	return l.Text(full, append([]any{n}, fill...)...)
}

var formNames = map[plural.Form]string{
	plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few",
	plural.Many: "many",
}

// Has says whether the language has a key.
func (l *Language) Has(key string) bool {
	_, ok := l.texts[key]
	return ok
}

// Keys lists the keys, sorted.
func (l *Language) Keys() []string {
	keys := make([]string, 0, len(l.texts))
	for key := range l.texts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
