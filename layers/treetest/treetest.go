// Package treetest describes and makes directory trees for the tests of the
// packages beside it.
package treetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/layers/tree"
)

// Time is the modification time of the entries that have none of their own.
var Time = time.Unix(1_700_000_000, 0)

// Describe returns one line for each name in the tree at dir: all that a layer
// carries, and for several names of one file the first of them.
func Describe(t testing.TB, dir string) map[string]string {
	t.Helper()
	lines, links := map[string]string{}, map[uint64][]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		line, err := describe(path, name, links)
		lines[name] = line
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range links {
		for _, name := range names {
			if len(names) > 1 {
				lines[name] += " =" + names[0]
			}
		}
	}
	return lines
}

func describe(path, name string, links map[uint64][]string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	line := fmt.Sprintf("%07o %d:%d t=%d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" %d %.8x", st.Size, sha256.Sum256(data))
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		line += " -> " + target
	case unix.S_IFCHR, unix.S_IFBLK:
		line += fmt.Sprintf(" dev=%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	if st.Nlink > 1 && !tree.IsDir(st.Mode) {
		links[st.Ino] = append(links[st.Ino], name)
	}
	attrs, err := xattrs(path, st.Mode)
	return line + attrs, err
}

func xattrs(path string, mode uint32) (string, error) {
	if !tree.IsReg(mode) && !tree.IsDir(mode) {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	names, err := tree.ListXattrs(int(f.Fd()))
	if err != nil {
		return "", err
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		value, err := tree.GetXattr(int(f.Fd()), name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, " %s=%q", name, value)
	}
	return b.String(), nil
}

// Diff returns the lines in which two descriptions differ.
func Diff(want, got map[string]string) string {
	var b strings.Builder
	names := slices.Collect(maps.Keys(want))
	names = slices.AppendSeq(names, maps.Keys(got))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if want[name] != got[name] {
			fmt.Fprintf(&b, "%s:\n\twant %s\n\tgot  %s\n", name, orNone(want[name]), orNone(got[name]))
		}
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "(nothing)"
	}
	return s
}

// Tar returns an archive of these entries. A header's Size is taken from its
// body; the zero type is a regular file, the zero mode 0644 or 0755.
func Tar(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, e := range entries {
		hdr := e.header()
		if err := tw.WriteHeader(&hdr); err != nil {
			t.Fatalf("%s: %v", hdr.Name, err)
		}
		if _, err := io.WriteString(tw, e.Body); err != nil {
			t.Fatalf("%s: %v", hdr.Name, err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Entry is a tar header with its body.
type Entry struct {
	tar.Header
	Body string
}

func (e Entry) header() tar.Header {
	h := e.Header
	if h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
	}
	if h.Typeflag == tar.TypeReg {
		h.Size = int64(len(e.Body))
	}
	if h.Mode == 0 {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeDir {
			h.Mode = 0o755
		}
	}
	if h.ModTime.IsZero() {
		h.ModTime = Time
	}
	return h
}

// File, Dir, Link (hard) and Symlink are the common entries.
func File(name, body string) Entry {
	return Entry{Header: tar.Header{Name: name}, Body: body}
}

// Dir is a directory's entry.
func Dir(name string) Entry {
	return Entry{Header: tar.Header{Name: strings.TrimSuffix(name, "/") + "/", Typeflag: tar.TypeDir}}
}

// Link is a hard link's entry.
func Link(name, target string) Entry {
	return Entry{Header: tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}}
}

// Symlink is a symbolic link's entry.
func Symlink(name, target string) Entry {
	return Entry{Header: tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}}
}

// NeedRoot skips, loudly, a test that an ordinary user cannot run.
func NeedRoot(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: " + why)
	}
}

// Join returns names sorted, in one line.
func Join(names []string) string {
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Thaw opens a tree to an ordinary user who owns it: an archive may have made
// directories that even their owner cannot read.
func Thaw(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return os.Chmod(path, 0o700)
	})
	if err != nil {
		t.Fatal(err)
	}
}
