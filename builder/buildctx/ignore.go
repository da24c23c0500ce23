package buildctx

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"cove/errdefs"
)

// Ignore is a .dockerignore file.
type Ignore struct {
	// Name is the file's name in messages.
	Name     string
	patterns []string
	back     []string // fixedBeginning of the "!" patterns
	// A matcher compiles its patterns at their first use, without a lock: each
	// walker takes one of its own.
	matchers sync.Pool
}

// MaxIgnore is the largest .dockerignore that is read.
const MaxIgnore = 1 << 20

// ParseIgnore reads a .dockerignore file. Without any rule it is nil, which
// ignores nothing.
func ParseIgnore(name string, src []byte) (*Ignore, error) {
	if len(src) > MaxIgnore {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: larger than %d bytes", name, MaxIgnore)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(src))
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", name, err)
	}
	if len(patterns) == 0 {
		return nil, nil
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", name, err)
	}
	ig := &Ignore{Name: name, patterns: patterns}
	ig.matchers.Put(m)
	for _, p := range patterns {
		if b, ok := strings.CutPrefix(p, "!"); ok {
			ig.back = append(ig.back, fixedBeginning(b))
		}
	}
	// A bad pattern is found at its first use only.
	if _, err := m.MatchesOrParentMatches("x"); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", name, err)
	}
	return ig, nil
}

// String lists the rules, one a line.
func (ig *Ignore) String() string {
	if ig == nil {
		return ""
	}
	return strings.Join(ig.patterns, "\n")
}

// matched is what the rules say of a path, for the paths below it to go on from.
type matched struct {
	info    patternmatcher.MatchInfo
	ignored bool
	below   bool // something below may be back in
}

// step matches a path whose parent's result is known.
func (ig *Ignore) step(p string, parent matched) (matched, error) {
	m, _ := ig.matchers.Get().(*patternmatcher.PatternMatcher)
	if m == nil {
		var err error
		if m, err = patternmatcher.New(ig.patterns); err != nil {
			return matched{}, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", ig.Name, err)
		}
	}
	defer ig.matchers.Put(m)
	ok, info, err := m.MatchesUsingParentResults(p, parent.info)
	if err != nil {
		return matched{}, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", ig.Name, err)
	}
	out := matched{info: info, ignored: ok}
	if ok {
		out.below = ig.mayReturn(p)
	}
	return out, nil
}

// mayReturn says whether a "!" pattern could match below dir: one whose fixed
// beginning, before any wildcard, is below dir or above it.
func (ig *Ignore) mayReturn(dir string) bool {
	for _, fixed := range ig.back {
		if strings.HasPrefix(fixed, dir+"/") || strings.HasPrefix(dir+"/", fixed) {
			return true
		}
	}
	return false
}

// fixedBeginning is the directories that a pattern names before its first
// wildcard, with a slash behind each, or all of it if it has none.
func fixedBeginning(pattern string) string {
	var fixed string
	for part := range strings.SplitSeq(path.Clean(pattern), "/") {
		if hasWildcard(part) {
			break
		}
		fixed += unescape(part) + "/"
	}
	return fixed
}

// match matches a path, parents first.
func (ig *Ignore) match(p string) matched {
	var m matched
	parts := strings.Split(p, "/")
	for i := range parts {
		next, err := ig.step(strings.Join(parts[:i+1], "/"), m)
		if err != nil {
			return matched{}
		}
		m = next
	}
	return m
}

// Rule returns the rule that leaves p out, "" if it is not left out: the last
// one that matches it or a directory above it.
func (ig *Ignore) Rule(p string) string {
	if !ig.match(p).ignored {
		return ""
	}
	for i := len(ig.patterns) - 1; i >= 0; i-- {
		if strings.HasPrefix(ig.patterns[i], "!") {
			continue
		}
		m, err := patternmatcher.New(ig.patterns[i : i+1])
		if err != nil {
			continue
		}
		if ok, err := m.MatchesOrParentMatches(p); ok && err == nil {
			return ig.patterns[i]
		}
	}
	return ig.Name
}

// Excludes says that .dockerignore leaves nothing of a source: p is cleaned and
// below the context, "" is the context itself. Rules that take files back in
// ("!") leave it open, as only the files themselves could tell.
func (t *Tree) Excludes(p string) bool {
	if t.ignore == nil || len(t.ignore.back) > 0 {
		return false
	}
	if p == "" {
		return slices.ContainsFunc(t.ignore.patterns, func(rule string) bool {
			return rule == "*" || rule == "**" || rule == "**/*"
		})
	}
	return t.ignore.Rule(p) != ""
}
