// Package copier is COPY and ADD: which files they take, what those are worth
// as a cache key, where in the image they go, and the layer that they make.
//
// A Selection is the first half and knows nothing of the destination: two
// builds that select the same files have the same Digest. Write is the second
// half: it resolves the destination in the root filesystem that is copied into
// and writes the layer's tar entry by entry, in an order and with headers that
// depend on nothing but the selection and that root filesystem.
package copier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cove/builder/buildctx"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers/whiteout"
)

// Sources are the trees that a Copy reads from.
type Sources struct {
	Context *buildctx.Tree
	// Named are the contexts that have names.
	Named  map[string]*buildctx.Tree
	Inputs []*buildctx.Tree
	// Fetch returns the tree that holds only what a URL gave, under the
	// source's Name, or what a git repository holds.
	Fetch func(ctx context.Context, src plan.Source) (*buildctx.Tree, error)
}

// Selection is what a Copy takes.
type Selection struct {
	op    plan.Selection
	parts []part
	// Warnings are for the author: a pattern that matched nothing.
	Warnings []string
}

// part is what one match of one source contributes.
type part struct {
	tree    *buildctx.Tree
	picks   []pick
	dir     bool            // a directory, of which the contents are copied
	archive *buildctx.Entry // a tar archive to unpack
}

// pick is one file: an entry of a tree, or an inline document.
type pick struct {
	rel    string // where it goes below the destination; "" is a directory that was named itself
	entry  *buildctx.Entry
	inline *string
	link   string // rel of the earlier pick that this is a hard link to
}

// Select finds and hashes what op takes.
func Select(ctx context.Context, op plan.Selection, from Sources) (*Selection, error) {
	s := &Selection{op: op}
	exclude, err := newExclude(op.Exclude)
	if err != nil {
		return nil, err
	}
	for _, src := range op.Sources {
		if err := s.add(ctx, src, from, exclude); err != nil {
			return nil, err
		}
	}
	return s, s.hash(ctx)
}

// Digest is the content key: names, types, permissions, links and bytes of all
// that was selected, and owners where they are kept, as --chmod and --chown of op leave
// them. Times are not in it.
func (s *Selection) Digest(op plan.Placement) (digest.Digest, error) {
	as := given{owner: op.Chown != ""}
	if op.Chmod != "" {
		m, err := plan.ParseMode(op.Chmod)
		if err != nil {
			return "", err
		}
		as.mode = &m
	}
	return s.digest(as), nil
}

// given is what a copy gives its files, whatever their own is.
type given struct {
	mode  *plan.ModeChange
	owner bool
}

// of is the mode that an entry of this one has where it is copied to.
func (as given) of(mode uint32) uint32 {
	if as.mode == nil || mode&unix.S_IFMT == unix.S_IFLNK {
		return mode
	}
	return mode&^0o7777 | as.mode.Apply(mode&0o7777, mode&unix.S_IFMT == unix.S_IFDIR)
}

// Summary tells in a few letters what each selected file is, by where it goes:
// to compare with another time.
func (s *Selection) Summary() map[string]string {
	out := map[string]string{}
	for _, p := range s.parts {
		if p.archive != nil {
			out[p.archive.Path] = p.archive.Digest.Encoded()[:12]
		}
		for _, pk := range p.picks {
			sum := sha256.Sum256(p.describe(nil, pk, given{}))
			out[pk.rel] = hex.EncodeToString(sum[:6])
			if pk.entry != nil && pk.entry.Digest != "" {
				out[pk.rel] = fmt.Sprintf("%o %s", pk.entry.Mode&0o7777, pk.entry.Digest.Encoded()[:12])
			}
		}
	}
	return out
}

func (s *Selection) add(ctx context.Context, src plan.Source, from Sources, ex *excluder) error {
	if src.Inline != nil {
		if err := whiteout.Within(src.Name); err != nil {
			return err
		}
		s.parts = append(s.parts, part{picks: []pick{{rel: src.Name, inline: src.Inline}}})
		return nil
	}
	tree, err := treeOf(ctx, src, from)
	if err != nil || tree == nil {
		return err
	}
	pattern, pivot := src.Path, ""
	if src.URL != "" {
		pattern = Escape(src.Name)
	}
	if s.op.Parents {
		if dir, rest, ok := strings.Cut(pattern, "/./"); ok {
			pattern, pivot = path.Join(dir, rest), dir
		}
	}
	matches, err := tree.Glob(pattern, s.op.Parents)
	if err != nil {
		return err
	}
	if len(matches) == 0 {
		s.Warnings = append(s.Warnings, pattern+" matches nothing")
		if s.op.Parents { // the destination is made all the same, as BuildKit does
			s.parts = append(s.parts, part{tree: tree, dir: true})
		}
	}
	for _, m := range matches {
		if s.op.Parents {
			err = s.addWithParents(ctx, tree, m, pivot, ex)
		} else {
			err = s.addMatch(ctx, tree, m, src.Unpack, ex)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func treeOf(ctx context.Context, src plan.Source, from Sources) (*buildctx.Tree, error) {
	switch {
	case src.URL != "" || src.Git != nil:
		return from.Fetch(ctx, src)
	case src.Context != "":
		return from.Named[src.Context], nil
	case src.From == plan.FromContext:
		return from.Context, nil
	case src.From == plan.FromNothing:
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%q is not in scratch, which is empty", src.Path)
	}
	if t := from.Inputs[src.From]; t != nil {
		return t, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "%q is not in the filesystem copied from, which is empty", src.Path)
}

func (s *Selection) addMatch(
	ctx context.Context, tree *buildctx.Tree, m buildctx.Match, unpack bool, ex *excluder,
) error {
	if m.Entry.IsDir() {
		return s.addDir(ctx, tree, m.Entry, "", ex)
	}
	name := path.Base(m.Name)
	if ex.match(name) || ex.match(m.Name) {
		return nil
	}
	if unpack && m.Entry.IsRegular() {
		ok, err := isTar(ctx, tree, m.Entry)
		if err != nil {
			return err
		}
		if ok {
			s.parts = append(s.parts, part{tree: tree, dir: true, archive: m.Entry})
			return nil
		}
	}
	return s.addPart(part{tree: tree, picks: []pick{{rel: name, entry: m.Entry}}})
}

// addWithParents keeps the directories between pivot and the match.
func (s *Selection) addWithParents(
	ctx context.Context, tree *buildctx.Tree, m buildctx.Match, pivot string, ex *excluder,
) error {
	rel := strings.TrimPrefix(strings.TrimPrefix(m.Name, pivot), "/")
	p := part{tree: tree, dir: true}
	for i := range rel {
		if rel[i] != '/' {
			continue
		}
		_, e, err := tree.Resolve(path.Join(pivot, rel[:i]))
		if err != nil {
			return err
		}
		if e != nil && e.IsDir() {
			p.picks = append(p.picks, pick{rel: rel[:i], entry: e})
		}
	}
	if err := s.addPart(p); err != nil {
		return err
	}
	if m.Entry.IsDir() {
		return s.addDir(ctx, tree, m.Entry, rel, ex)
	}
	if ex.match(rel) {
		return nil
	}
	return s.addPart(part{tree: tree, dir: true, picks: []pick{{rel: rel, entry: m.Entry}}})
}

// addDir takes what is in a directory, to go below rel.
func (s *Selection) addDir(
	ctx context.Context, tree *buildctx.Tree, dir *buildctx.Entry, rel string, ex *excluder,
) error {
	entries, err := tree.Walk(ctx, dir, ex.skip())
	if err != nil {
		return err
	}
	p := part{tree: tree, dir: true, picks: make([]pick, 0, len(entries))}
	first := map[[2]uint64]string{}
	if rel != "" {
		rel = path.Clean(rel) + "/"
	}
	for _, e := range entries {
		below := strings.TrimPrefix(strings.TrimPrefix(e.Path, dir.Path), "/")
		pk := pick{rel: strings.TrimSuffix(rel+below, "/"), entry: e}
		if e.IsRegular() && e.Nlink > 1 {
			id := [2]uint64{e.Dev, e.Ino}
			if to, ok := first[id]; ok {
				pk.link = to
			} else {
				first[id] = pk.rel
			}
		}
		p.picks = append(p.picks, pk)
	}
	return s.addPart(p)
}

// addPart takes a part whose files a layer can hold.
func (s *Selection) addPart(p part) error {
	kept := p.picks[:0]
	for _, pk := range p.picks {
		if pk.entry.Type() == unix.S_IFSOCK {
			continue // a socket is of the process that listens; no tar holds one
		}
		if err := whiteout.Within(pk.rel); err != nil {
			return err
		}
		if pk.entry.Type() == unix.S_IFCHR && pk.entry.Rdev == 0 {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"%q: the device 0:0 marks a deleted file in an overlay and cannot be copied", pk.rel)
		}
		kept = append(kept, pk)
	}
	p.picks = kept
	s.parts = append(s.parts, p)
	return nil
}

func (s *Selection) hash(ctx context.Context) error {
	for _, p := range s.parts {
		if p.tree == nil {
			continue
		}
		var es []*buildctx.Entry
		for _, pk := range p.picks {
			if pk.link == "" {
				es = append(es, pk.entry)
			}
		}
		if p.archive != nil {
			es = append(es, p.archive)
		}
		if err := p.tree.Hash(ctx, es); err != nil {
			return err
		}
	}
	return nil
}

func (s *Selection) digest(as given) digest.Digest {
	d := sha256.New()
	var buf []byte
	for _, p := range s.parts {
		buf = strconv.AppendBool(append(buf, "part "...), p.dir)
		if p.archive != nil {
			buf = append(append(buf, " archive "...), p.archive.Digest...)
		}
		buf = append(buf, '\n')
		for _, pk := range p.picks {
			buf = p.describe(buf, pk, as)
			if len(buf) > 32<<10 {
				d.Write(buf)
				buf = buf[:0]
			}
		}
	}
	d.Write(buf)
	return digest.NewDigest(digest.SHA256, d)
}

// describe appends what one pick means, unambiguously: strings are quoted. It
// says what header says; a context has so many files that fmt would be felt.
func (p part) describe(b []byte, pk pick, as given) []byte {
	b = strconv.AppendQuote(b, pk.rel)
	if pk.inline != nil {
		b = strconv.AppendQuote(append(b, " inline "...), *pk.inline)
		return append(b, '\n')
	}
	e := pk.entry
	if pk.rel == "" { // header says why
		return append(b, " directory\n"...)
	}
	b = strconv.AppendUint(append(b, ' '), uint64(as.of(e.Mode)), 8)
	if p.tree.KeepOwner && !as.owner {
		b = strconv.AppendUint(append(b, " u"...), uint64(e.UID), 10)
		b = strconv.AppendUint(append(b, " g"...), uint64(e.GID), 10)
	}
	switch {
	case pk.link != "":
		b = strconv.AppendQuote(append(b, " link "...), pk.link)
	case e.Link != "":
		b = strconv.AppendQuote(append(b, " to "...), e.Link)
	case e.Rdev != 0:
		b = strconv.AppendUint(append(b, " dev "...), e.Rdev, 10)
	}
	b = append(append(b, ' '), e.Digest...)
	if len(e.Xattrs) > 0 { // which few files have
		for _, name := range slices.Sorted(maps.Keys(e.Xattrs)) {
			b = strconv.AppendQuote(append(b, " x "...), name)
			b = strconv.AppendQuote(b, e.Xattrs[name])
		}
	}
	return append(b, '\n')
}

// excluder is --exclude; nil excludes nothing.
type excluder struct {
	patterns []string
	m        *patternmatcher.PatternMatcher
}

func newExclude(patterns []string) (*excluder, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	m, err := patternmatcher.New(patterns)
	if err == nil {
		_, err = m.MatchesOrParentMatches("x")
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--exclude: %w", err)
	}
	return &excluder{patterns: patterns, m: m}, nil
}

func (ex *excluder) match(p string) bool {
	if ex == nil || p == "" {
		return false
	}
	ok, err := ex.m.MatchesOrParentMatches(p)
	return ok && err == nil
}

// skip returns the filter of a walk. A walk has several goroutines and a
// matcher is for one at a time.
func (ex *excluder) skip() func(string, bool) bool {
	if ex == nil {
		return nil
	}
	lock := make(chan struct{}, 1)
	return func(rel string, _ bool) bool {
		lock <- struct{}{}
		defer func() { <-lock }()
		return ex.match(rel)
	}
}

// Escape makes a name a pattern that matches itself.
func Escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}
