package buildctx

import (
	"fmt"
	"path"
	"strings"

	"cove/errdefs"
	"cove/internal/nearest"
)

// Match is one file that a pattern names.
type Match struct {
	// Name is the path as the pattern matched it, which names the copy.
	Name string
	// Entry is what is there, symbolic links followed.
	Entry *Entry
}

// Glob finds what pattern names, by the rules of path.Match for each
// component; with deep, a component "**" stands for any number of directories.
// A pattern without wildcards that names nothing is
// errdefs.ErrNotFound, and says so when .dockerignore is the reason; one with
// wildcards may match nothing.
func (t *Tree) Glob(pattern string, deep bool) ([]Match, error) {
	if !hasWildcard(pattern) {
		m, err := t.exact(pattern)
		if err != nil {
			return nil, err
		}
		return []Match{m}, nil
	}
	parts := strings.Split(pattern, "/")
	n := 0
	for !hasWildcard(parts[n]) {
		n++
	}
	prefix := unescape(strings.Join(parts[:n], "/"))
	real, dir, err := t.Resolve(prefix)
	if err != nil {
		return nil, err
	}
	if dir == nil || !dir.IsDir() {
		return nil, t.missing(path.Join(prefix, strings.Join(parts[n:], "/")), real)
	}
	g := globber{tree: t, deep: deep}
	if err := g.dir(dir, prefix, parts[n:]); err != nil {
		return nil, err
	}
	return g.found, nil
}

// globber collects matches, each file once.
type globber struct {
	tree  *Tree
	deep  bool
	found []Match
	seen  map[string]bool
}

// exact finds the one file that a path names.
func (t *Tree) exact(p string) (Match, error) {
	p = unescape(p)
	real, e, err := t.Resolve(p)
	if err != nil {
		return Match{}, err
	}
	if e == nil {
		return Match{}, t.missing(p, real)
	}
	return Match{Name: p, Entry: e}, nil
}

// missing explains why a source is not there: p as it was named, real with its
// links followed.
func (t *Tree) missing(p, real string) error {
	if t.KeepOwner {
		return errdefs.Errorf(errdefs.ErrNotFound, "%q: not found in the filesystem copied from%s", p, t.didYouMean(p))
	}
	if t.ignore != nil {
		for _, name := range []string{p, real} {
			if rule := t.ignore.Rule(name); rule != "" {
				return errdefs.Errorf(errdefs.ErrNotFound,
					"%q: not found in the build context; excluded by %s (rule %q)", p, t.ignore.Name, rule)
			}
		}
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "%q: not found in the build context%s", p, t.didYouMean(p))
}

// didYouMean is a question about the name that the author of p may have meant,
// or "": where p leaves what there is, the nearest name, whatever its case.
func (t *Tree) didYouMean(p string) string {
	dir := t.root
	parts := strings.Split(p, "/")
	for i, part := range parts {
		kids, err := t.entries(dir)
		if err != nil {
			return "" // not a directory, or a link to one
		}
		next := -1
		names := make([]string, len(kids))
		for k, kid := range kids {
			if kid.Name() == part {
				next = k
				break
			}
			names[k] = kid.Name()
		}
		if next >= 0 {
			dir = kids[next]
			continue
		}
		if parts[i] = nearest.Fold(part, names); parts[i] == "" {
			return ""
		}
		return fmt.Sprintf("; did you mean %q?", strings.Join(parts, "/"))
	}
	return ""
}

func (g *globber) dir(dir *Entry, prefix string, parts []string) error {
	kids, err := g.tree.entries(dir)
	if err != nil {
		return err
	}
	anyDepth := g.deep && parts[0] == "**"
	if anyDepth && len(parts) > 1 {
		if err := g.dir(dir, prefix, parts[1:]); err != nil {
			return err
		}
	}
	for _, kid := range kids {
		name := path.Join(prefix, kid.Name())
		if anyDepth {
			if len(parts) == 1 {
				err = g.add(name, kid)
			} else if kid.IsDir() {
				err = g.dir(kid, name, parts)
			}
		} else {
			err = g.component(kid, name, parts)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// component matches one name against the first part of the pattern.
func (g *globber) component(kid *Entry, name string, parts []string) error {
	ok, err := path.Match(parts[0], kid.Name())
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "pattern %q: %w", parts[0], err)
	}
	switch {
	case !ok:
		return nil
	case len(parts) == 1:
		return g.add(name, kid)
	case kid.IsDir():
		return g.dir(kid, name, parts[1:])
	}
	return nil
}

func (g *globber) add(name string, kid *Entry) error {
	if g.seen[name] {
		return nil
	}
	_, e, err := g.tree.Resolve(kid.Path)
	if err != nil {
		return err
	}
	if e == nil {
		e = kid // a link to nowhere is copied as a link
	}
	if g.seen == nil {
		g.seen = map[string]bool{}
	}
	g.seen[name] = true
	g.found = append(g.found, Match{Name: name, Entry: e})
	return nil
}

// hasWildcard says whether path.Match would treat p as a pattern.
func hasWildcard(p string) bool {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

// unescape removes the backslashes of a pattern without wildcards.
func unescape(p string) string {
	if !strings.Contains(p, `\`) {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' && i+1 < len(p) {
			i++
		}
		b.WriteByte(p[i])
	}
	return b.String()
}
