package treetest

import (
	"archive/tar"
	"fmt"
	"strings"
	"time"
)

// Attack is a stack of hostile layers, lowest first. Extracting them must
// change nothing outside of the directory they are extracted to; whether it
// fails is its own business, unless Refused says that it must.
type Attack struct {
	Name    string
	Layers  [][]byte
	Refused bool
}

// Attacks returns the corpus. The directory that is extracted to is two levels
// below the one that also holds "outside", and out is the absolute path of
// that: it contains a file "canary", and a directory "dir" with a file in it.
func Attacks(out string) []Attack {
	var as []Attack
	for _, f := range []func(string) []Attack{
		nameAttacks, linkAttacks, hardlinkAttacks, swapAttacks, whiteoutAttacks, headerAttacks, attributeAttacks,
	} {
		as = append(as, f(out)...)
	}
	return as
}

func one(name string, refused bool, entries ...Entry) Attack {
	return Attack{name, [][]byte{Raw(entries...)}, refused}
}

func with(typ byte, name, link string) Entry {
	e := Entry{Header: tar.Header{Typeflag: typ, Name: name, Linkname: link}}
	switch typ {
	case tar.TypeReg:
		e.Body = "owned"
	case tar.TypeChar:
		e.Devmajor, e.Devminor = 1, 3
	case tar.TypeDir:
		e.Mode = 0o1 // a mode that would show
	}
	return e
}

var types = map[string]byte{
	"file": tar.TypeReg, "dir": tar.TypeDir, "symlink": tar.TypeSymlink, "fifo": tar.TypeFifo, "device": tar.TypeChar,
}

// nameAttacks: the name itself leads outside.
func nameAttacks(out string) (as []Attack) {
	names := []string{
		"../../outside/x", "../../outside/canary", "../../outside/dir/x", "./../../outside/x", "a/../../../outside/x",
		"/../../outside/x", "a/b/../../../../outside/canary", "..", "../", "/..", "../..", "a/../..", "a/..", ".//../../outside/x",
	}
	for _, name := range names {
		for kind, typ := range types {
			as = append(as, one(fmt.Sprintf("name %q, %s", name, kind), true, Dir("a"), with(typ, name, "canary")))
		}
	}
	for _, name := range []string{out + "/x", "/" + out + "/canary", out + "/./dir", "//" + out + "//dir/x", "/" + out} {
		for kind, typ := range types {
			as = append(as, one(fmt.Sprintf("absolute name, %s, %d", kind, len(as)), false, with(typ, name, "canary")))
		}
	}
	return as
}

// linkAttacks: a symbolic link leads outside, and a name goes through it.
func linkAttacks(out string) (as []Attack) {
	targets := map[string][]Entry{
		"absolute":        {Symlink("s", out)},
		"relative":        {Symlink("s", "../../outside")},
		"root":            {Symlink("r", "/"), Symlink("s", "r"+out)},
		"proc root":       {Symlink("s", "/proc/self/root"+out)},
		"proc cwd":        {Symlink("s", "/proc/self/cwd/../.."+out)},
		"deep":            {Dir("a"), Dir("a/b"), Symlink("a/b/t", "../../../../outside"), Symlink("s", "a/b/t")},
		"chain":           {Symlink("s", "s1"), Symlink("s1", "s2"), Symlink("s2", out)},
		"dots in between": {Dir("a"), Symlink("s", "a/../../../outside")},
		"through a link":  {Symlink("up", "../.."), Symlink("s", "up/outside")},
		"link in a link":  {Dir("a"), Symlink("a/up", ".."), Symlink("s", "a/up/../../outside")},
		"loop":            {Symlink("s", "s")},
		"loop of two":     {Symlink("s", "t"), Symlink("t", "s")},
		"trailing slash":  {Symlink("s", out+"/")},
	}
	through := map[string][]Entry{
		"new file":         {File("s/x", "owned")},
		"old file":         {File("s/canary", "owned")},
		"below":            {File("s/dir/x", "owned")},
		"directory":        {with(tar.TypeDir, "s/dir", "")},
		"the link as dir":  {with(tar.TypeDir, "s", ""), File("s/x", "owned")},
		"the link as file": {File("s", "owned")},
		"symlink":          {Symlink("s/canary", "elsewhere")},
		"fifo":             {with(tar.TypeFifo, "s/canary", "")},
		"hard link into":   {File("f", "x"), Link("s/canary", "f")},
		"hard link out of": {Link("h", "s/canary"), File("h", "owned")},
		"whiteout":         {File("s/.wh.canary", "")},
		"whiteout of dir":  {File("s/.wh.dir", "")},
		"opaque":           {File("s/.wh..wh..opq", "")},
		"opaque below":     {File("s/dir/.wh..wh..opq", "")},
		"whiteout of link": {File(".wh.s", ""), File("s/x", "owned")},
	}
	for tname, target := range targets {
		for gname, goes := range through {
			name := tname + " link, " + gname
			as = append(as,
				one(name, false, append(append([]Entry{}, target...), goes...)...),
				Attack{Name: name + ", in two layers", Layers: [][]byte{Raw(target...), Raw(goes...)}})
		}
	}
	return as
}

// hardlinkAttacks: a hard link is made to something outside, then written to.
func hardlinkAttacks(out string) (as []Attack) {
	for _, target := range []string{
		"../../outside/canary", out + "/canary", "/../.." + out + "/canary", "a/../../../outside/canary", "..", "../..", "/", ".", "",
	} {
		as = append(as, one(fmt.Sprintf("hard link to %d %q", len(as), target[:min(len(target), 3)]), true, Dir("a"), Link("h", target), File("h", "owned")))
	}
	link := Symlink("s", out+"/canary")
	return append(
		as,
		one("hard link to a link, then written", false, link, Link("h", "s"), File("h", "owned")),
		one("hard link to a link, then linked", false, link, Link("h", "s"), Link("i", "h"), File("i", "owned")),
		one("hard link to a link, then a directory", false, Symlink("s", out+"/dir"), Link("h", "s"), with(tar.TypeDir, "h", ""), File("h/x", "owned")),
		one("hard link to a link, gone through", false, Symlink("s", out), Link("h", "s"), File("h/canary", "owned")),
		one("hard link to a directory", true, Dir("d"), Link("h", "d")),
		one("hard link to itself", true, File("h", ""), Link("h", "h")),
		one("hard link to itself in other words", true, File("h", ""), Link("h", "./h")),
		one("hard link to itself through a link", true, Dir("d"), File("d/h", ""), Symlink("e", "d"), Link("d/h", "e/h")),
		one("hard link to what it replaces", true, Dir("d"), File("d/f", ""), Link("d", "d/f")),
		one("hard link to nothing", true, Link("h", "nothing")),
		one("hard link to a whiteout", true, File(".wh.w", ""), Link("h", "w")),
		Attack{Name: "hard link to a lower link, written", Layers: [][]byte{Raw(link), Raw(Link("h", "s"), File("h", "owned"))}},
		Attack{Name: "hard link below a lower link", Layers: [][]byte{Raw(Symlink("s", out)), Raw(Link("h", "s/canary"), File("h", "owned"))}},
	)
}

// swapAttacks: a name changes what it is between two entries.
func swapAttacks(out string) (as []Attack) {
	dir := []Entry{Dir("d"), Dir("d/e"), File("d/e/f", "1")}
	swaps := map[string][]Entry{
		"d for a link":         {Symlink("d", out)},
		"d for a relative one": {Symlink("d", "../../outside")},
		"e for a link":         {Symlink("d/e", out)},
		"d for a file":         {File("d", "2")},
		"d whited out, a link": {File(".wh.d", ""), Symlink("d", out)},
		"d a link and back":    {Symlink("d", out), Dir("d")},
		"d for a hard link":    {Symlink("s", out), Link("d", "s")},
	}
	then := map[string][]Entry{
		"write":       {File("d/x", "owned")},
		"write below": {File("d/e/canary", "owned"), File("d/dir/x", "owned")},
		"mode":        {with(tar.TypeDir, "d/dir", ""), with(tar.TypeDir, "d/e", "")},
		"whiteout":    {File("d/.wh.canary", ""), File("d/.wh.dir", "")},
		"opaque":      {File("d/.wh..wh..opq", "")},
		"hard link":   {Link("h", "d/canary"), File("h", "owned")},
	}
	for sname, swap := range swaps {
		for tname, t := range then {
			name := "swap " + sname + ", " + tname
			as = append(as,
				one(name, false, append(append(append([]Entry{}, dir...), swap...), t...)...),
				Attack{Name: name + ", in three layers", Layers: [][]byte{Raw(dir...), Raw(swap...), Raw(t...)}})
		}
	}
	return as
}

// whiteoutAttacks: a deletion that leads outside, or means nothing.
func whiteoutAttacks(out string) (as []Attack) {
	for name, refused := range map[string]bool{
		".wh.":                       true,
		".wh..":                      true,
		".wh...":                     true,
		"a/.wh.":                     true,
		"a/.wh..":                    true,
		"a/.wh...":                   true,
		"../.wh.outside":             true,
		"../../.wh.outside":          true,
		"a/../../../.wh.canary":      true,
		".wh.x/y":                    true,
		".wh.../outside/canary":      true,
		".wh.x/../../../y":           true,
		"../../outside/.wh..wh..opq": true,
		".wh..wh..opq/x":             false,
		".wh..wh..opq":               false,
		"a/.wh..wh..opq":             false,
		".wh..wh.plnk/../../x":       true,
		".wh..wh.plnk/1.2":           false,
		".wh..wh.aufs":               false,
		".wh..wh.":                   false,
		".wh.....":                   false,
		".wh.a":                      false,
		out + "/.wh.canary":          false,
		"/.wh.a":                     false,
		"a//.wh.b":                   false,
		"a/./.wh.b":                  false,
	} {
		as = append(as, Attack{
			Name:    "whiteout " + strings.ReplaceAll(name, out, "OUT"),
			Layers:  [][]byte{Raw(Dir("a"), File("a/b", "1")), Raw(File(name, ""))},
			Refused: refused,
		})
	}
	for kind, typ := range types {
		as = append(as, one("whiteout as "+kind, false, File("f", ""), with(typ, ".wh.f", "f"), with(typ, "a/.wh..wh..opq", "f")))
	}
	return append(as,
		one("whiteout as hard link", false, File("f", ""), Link(".wh.f", "f")),
		one("whiteout with a body", false, File("f", ""), File(".wh.f", strings.Repeat("x", 5000))),
		Attack{Name: "whiteout of everything, again and again", Layers: [][]byte{
			Raw(Symlink("s", out), Dir("d"), Symlink("d/s", out)),
			Raw(File(".wh..wh..opq", ""), File(".wh.s", ""), File(".wh.d", ""), File("d/.wh.s", "")),
			Raw(File(".wh..wh..opq", "")),
		}},
	)
}

// headerAttacks: the archive itself is wrong.
func headerAttacks(out string) []Attack {
	pax := func(name string, records map[string]string) Entry {
		return Entry{Header: tar.Header{Name: name, PAXRecords: records}, Body: "owned"}
	}
	owner := func(key, id string) Entry { return pax("f", map[string]string{key: id}) }
	typed := func(t byte) Entry { return Entry{Header: tar.Header{Typeflag: t, Name: "f"}} }
	return []Attack{
		one("PAX path over a harmless name", true, pax("ok", map[string]string{"path": "../../outside/canary"})),
		one("PAX link path", true, File("ok", ""), Entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: "h", Linkname: "ok", PAXRecords: map[string]string{"linkpath": "../../outside/canary"}}}, File("h", "owned")),
		one("PAX path with a NUL", true, pax("ok", map[string]string{"path": "a\x00/../../../outside/canary"})),
		one("PAX empty path", false, pax("ok", map[string]string{"path": ""})),
		one("PAX size that lies", false, pax("ok", map[string]string{"size": "9000000000000000000"})),
		one("PAX negative size", false, pax("ok", map[string]string{"size": "-1"})),
		one("PAX odd times", false, pax("ok", map[string]string{"mtime": "-99999999999999.5"})),
		one("PAX infinite time", false, pax("ok", map[string]string{"mtime": "99999999999999999999999999999"})),
		one("owner -1", true, owner("uid", "-1")),
		one("owner 2^32-1", true, owner("uid", "4294967295")),
		one("group 2^32-1", true, owner("gid", "4294967295")),
		one("owner 2^40", true, owner("uid", "1099511627776")),
		one("GNU long name", true, Entry{Header: tar.Header{Typeflag: 'L', Name: "././@LongLink", Size: 23}, Body: "../../outside/canary\x00\x00\x00"}, File("ok", "owned")),
		one("GNU long link", true, Entry{Header: tar.Header{Typeflag: 'K', Name: "././@LongLink", Size: 21}, Body: "../../outside/canary\x00"}, Link("h", "x"), File("h", "owned")),
		one("global header with a path", false, Entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", Size: 33}, Body: "33 path=../../outside/canary\n    "}, File("ok", "owned")),
		one("sparse map that lies", false, pax("ok", map[string]string{"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": "9223372036854775807", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "9223372036854775800,5"})),
		one("sparse name", true, pax("ok", map[string]string{"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "../../outside/canary", "GNU.sparse.size": "5", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,5"})),
		one("empty name", true, Entry{Header: tar.Header{Name: ""}, Body: "owned"}),
		one("top as a file", true, File(".", "owned")),
		one("top as a link", true, Symlink("./", out)),
		one("top as a link, then through", true, Symlink("/", out), File("x", "owned")),
		one("top as a hard link", true, File("f", ""), Link(".", "f")),
		one("type V", true, typed('V')), one("type D", true, typed('D')), one("type M", true, typed('M')),
		one("type 9", true, typed('9')), one("type A", true, typed('A')),
		one("contiguous file", false, Entry{Header: tar.Header{Typeflag: tar.TypeCont, Name: "../f", Size: 0}}),
		one("symlink to nothing", true, Symlink("s", "")),
		one("file below a file", true, File("f", ""), File("f/g", "")),
		one("file below a device", true, with(tar.TypeFifo, "f", ""), File("f/g", "")),
		one("long component", true, File(strings.Repeat("n", 300), "")),
		one("long name", true, File(strings.Repeat("n/", 3000)+"f", "")),
		one("deep name", true, File(strings.Repeat("n/", 1000)+"f", "")),
		one("many links", true, linkLadder(60)...),
		one("name with newline and control", false, File("a\n\x01\x7f", "")),
		one("name that is no UTF-8", false, File("\xff\xfe", "")),
		one("backslashes", false, File(`..\..\outside\canary`, "owned")),
		one("colon", false, File("C:/x", "")),
		one("setuid directory below a link", false, Symlink("s", out), Entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: "s/dir", Mode: 0o7777}}),
		one("time far away", false, Entry{Header: tar.Header{Name: "f", ModTime: time.Unix(1<<33, 0)}}),
		{Name: "no archive", Layers: [][]byte{[]byte(strings.Repeat("garbage ", 200))}, Refused: true},
		{Name: "cut off", Layers: [][]byte{Raw(File("f", strings.Repeat("x", 3000)))[:1500]}, Refused: true},
		{Name: "bad checksum", Layers: [][]byte{append([]byte("x"), Raw(File("f", ""))[1:]...)}, Refused: true},
	}
}

// linkLadder: each link leads to the next, n of them, and a name through all.
func linkLadder(n int) []Entry {
	var es []Entry
	for i := range n {
		es = append(es, Symlink(fmt.Sprintf("l%d", i), fmt.Sprintf("l%d", i+1)))
	}
	return append(es, File("l0/x", "owned"))
}

// attributeAttacks: what the kernel or a container engine would obey.
func attributeAttacks(out string) (as []Attack) {
	attr := func(name, value string, typ byte) Entry {
		e := with(typ, "d", "")
		e.PAXRecords = map[string]string{"SCHILY.xattr." + name: value}
		return e
	}
	for _, name := range []string{
		"trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy", "trusted.overlay.origin",
		"trusted.overlay.whiteout", "trusted.overlay.overlay.opaque", "user.overlay.opaque", "user.overlay.redirect",
		"user.overlay.metacopy", "user.overlay.whiteout", "user.fuseoverlayfs.opaque", "user.containers.override_stat",
		"trusted.evil", "security.selinux", "security.ima", "security.evm", "system.nfs4_acl", "",
	} {
		as = append(as,
			one("attribute "+name+" of a directory", false, attr(name, out, tar.TypeDir), File("d/x", "")),
			one("attribute "+name+" of a file", false, attr(name, out, tar.TypeReg)))
	}
	device := func(typ byte, major, minor int64) Entry {
		return Entry{Header: tar.Header{Typeflag: typ, Name: "dev", Devmajor: major, Devminor: minor}}
	}
	return append(as,
		one("whiteout device", true, device(tar.TypeChar, 0, 0)),
		one("whiteout device below a link", true, Symlink("s", out), Entry{Header: tar.Header{Typeflag: tar.TypeChar, Name: "s/canary"}}),
		one("device numbers out of range", true, device(tar.TypeBlock, 0o7777777, 0o7777777)),
		one("disk device, then written", false, device(tar.TypeBlock, 254, 0), File("dev", "owned")),
		one("null device, then written", false, device(tar.TypeChar, 1, 3), File("dev", "owned")),
		one("fifo, then written", false, with(tar.TypeFifo, "f", ""), File("f", "owned")),
		one("attributes through a link", false, Symlink("d", out+"/canary"), attr("user.evil", "1", tar.TypeReg)),
		one("attributes through a link to a directory", false, Symlink("d", out+"/dir"), attr("user.evil", "1", tar.TypeDir)),
		one("a bad capability", true, Entry{Header: tar.Header{Name: "f", PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "x"}}}),
	)
}
