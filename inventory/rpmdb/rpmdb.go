// Package rpmdb reads the database of installed packages that rpm keeps, in the three
// forms that it has had: SQLite (rpmdb.sqlite), ndb (Packages.db, of SUSE) and a hash
// of Berkeley DB (Packages, until 2020). Of each only as much is read as leads to the
// headers of packages, which are the same in all three.
//
// Whoever made an image made its database: no more is read than the file is long, a
// few times over, and a file that is damaged says what can be found in it.
package rpmdb

import (
	"bytes"
	"encoding/binary"
	"io"

	"cove/errdefs"
)

// maxHeader bounds the header of one package: a kernel's has half a million files.
const maxHeader = 64 << 20

// Read calls visit with each package of a database. What is none is
// errdefs.ErrCorrupt; it is too where a part of one cannot be read, after the rest.
func Read(r io.ReaderAt, size int64, visit func(Package)) error {
	head := make([]byte, 32)
	if _, err := r.ReadAt(head, 0); err != nil {
		return corrupt("it is too short")
	}
	f := file{r: r, size: size, left: 4*size + 1<<20, visit: visit}
	switch {
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return f.sqlite()
	case bytes.HasPrefix(head, []byte("RpmP")):
		return f.ndb(head)
	case f.berkeley(head) != nil:
		return f.hash(f.berkeley(head))
	}
	return corrupt("it has none of the three forms")
}

func corrupt(what string) error {
	return errdefs.Errorf(errdefs.ErrCorrupt, "the database of rpm cannot be read: %s", what)
}

// file is a database that is read.
type file struct {
	r     io.ReaderAt
	size  int64
	left  int64 // bytes that may still be read: who leads in circles gets nowhere
	visit func(Package)
}

// at reads n bytes at an offset; nil when the file has none there.
func (f *file) at(offset, n int64) []byte {
	if offset < 0 || n < 0 || n > f.size || offset > f.size-n || n > f.left {
		return nil
	}
	f.left -= n
	b := make([]byte, n)
	if _, err := f.r.ReadAt(b, offset); err != nil {
		return nil
	}
	return b
}

// found is a blob that should be the header of a package.
func (f *file) found(blob []byte) {
	if p, ok := parse(blob); ok {
		f.visit(p)
	}
}

// Package is what the header of an installed package says.
type Package struct {
	Name, Version, Release string
	Epoch                  uint32 // 0 is none
	Arch, License          string
	Source                 string // file name of the package of sources
	Module                 string // label of the module: name:stream:version:context
	header                 header
}

// The tags of a header that are read (rpm's rpmtag.h).
const (
	tagName       = 1000
	tagVersion    = 1001
	tagRelease    = 1002
	tagEpoch      = 1003
	tagLicense    = 1014
	tagArch       = 1022
	tagSource     = 1044
	tagDirOfFile  = 1116
	tagFiles      = 1117
	tagDirs       = 1118
	tagModularity = 5096
)

// The types of values, as far as they are read.
const (
	typeInt32    = 4
	typeString   = 6
	typeStrings  = 8
	typeI18N     = 9
	entryBytes   = 16
	maxEntries   = 1 << 16
	headerPrefix = 8
)

// entry says where the value of a tag is.
type entry struct{ kind, offset, count uint32 }

// header are the values of tags.
type header struct {
	entries map[uint32]entry
	data    []byte
}

// parse reads a header: two lengths, entries, and what they point to. All numbers
// have the highest byte first.
func parse(blob []byte) (p Package, ok bool) {
	if len(blob) < headerPrefix {
		return p, false
	}
	n, length := uint64(be.Uint32(blob)), uint64(be.Uint32(blob[4:]))
	if n == 0 || n > maxEntries || headerPrefix+n*entryBytes+length > uint64(len(blob)) {
		return p, false
	}
	h := header{map[uint32]entry{}, blob[headerPrefix+n*entryBytes:][:length]}
	for i := range n {
		e := blob[headerPrefix+i*entryBytes:]
		h.entries[be.Uint32(e)] = entry{be.Uint32(e[4:]), be.Uint32(e[8:]), be.Uint32(e[12:])}
	}
	p = Package{
		Name: h.text(tagName), Version: h.text(tagVersion), Release: h.text(tagRelease), Arch: h.text(tagArch),
		License: h.text(tagLicense), Source: h.text(tagSource), Module: h.text(tagModularity), header: h,
	}
	if epochs := h.numbers(tagEpoch); len(epochs) > 0 {
		p.Epoch = epochs[0]
	}
	return p, p.Name != "" && p.Version != ""
}

var be = binary.BigEndian

// text is a value of one string, or the first of several.
func (h header) text(tag uint32) (text string) {
	h.texts(tag, func(s string) bool { text = s; return false })
	return text
}

// texts visits the strings of a value, which end with a NUL each.
func (h header) texts(tag uint32, visit func(string) bool) {
	e, ok := h.entries[tag]
	texts := e.kind == typeString || e.kind == typeStrings || e.kind == typeI18N
	if !ok || !texts || uint64(e.offset) > uint64(len(h.data)) {
		return
	}
	rest := h.data[e.offset:]
	for range e.count {
		s, after, ended := bytes.Cut(rest, []byte{0})
		if !ended || !visit(string(s)) {
			return
		}
		rest = after
	}
}

func (h header) numbers(tag uint32) (list []uint32) {
	e, ok := h.entries[tag]
	if !ok || e.kind != typeInt32 || uint64(e.offset)+4*uint64(e.count) > uint64(len(h.data)) {
		return nil
	}
	for i := range e.count {
		list = append(list, be.Uint32(h.data[e.offset+4*i:]))
	}
	return list
}

// Files visits the paths of a package's files: a header has their directories once,
// and for each file the number of its own.
func (p Package) Files(visit func(path string)) {
	var dirs []string
	p.header.texts(tagDirs, func(s string) bool { dirs = append(dirs, s); return true })
	of := p.header.numbers(tagDirOfFile)
	i := 0
	p.header.texts(tagFiles, func(base string) bool {
		if i >= len(of) || uint64(of[i]) >= uint64(len(dirs)) {
			return false
		}
		visit(dirs[of[i]] + base)
		i++
		return true
	})
}
