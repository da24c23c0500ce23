package builder

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/content"
	"cove/layers/apply"
	"cove/layers/archive"
	"cove/layers/compress"
)

// odd is an entry of an archive in a few letters: "f NAME", "d NAME/",
// "l NAME TARGET" (a symbolic link), "h NAME TARGET" (a hard link), "p NAME" (a
// pipe), "c NAME" and "b NAME" (devices), "x NAME" (of no known type).
func odd(t *testing.T, entries ...string) string {
	t.Helper()
	types := map[byte]byte{
		'f': tar.TypeReg, 'd': tar.TypeDir, 'l': tar.TypeSymlink, 'h': tar.TypeLink, 'p': tar.TypeFifo, 'c': tar.TypeChar,
		'b': tar.TypeBlock, 'x': 'Z',
	}
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, e := range entries {
		parts := strings.Split(e, " ")
		h := &tar.Header{Typeflag: types[e[0]], Name: parts[1], Mode: 0o644, ModTime: time.Unix(1e9, 0)}
		if len(parts) > 2 {
			h.Linkname = parts[2]
		}
		switch h.Typeflag {
		case tar.TypeReg:
			h.Size = 4
		case tar.TypeChar, tar.TypeBlock:
			h.Devmajor, h.Devminor = 1, 3
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		if h.Size > 0 {
			if _, err := tw.Write([]byte("data")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOddArchives adds archives that few tools would write. Each fails the build,
// or makes an image that every layer of can be unpacked again, to the same files:
// a layer that nobody can unpack was once tagged.
func TestOddArchives(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 200)
	deep := strings.Repeat("d/", 120) + "f"
	cases := map[string]struct {
		entries []string
		want    string // files below /o, or the beginning of "error: …"
	}{
		"hard link to nothing":            {[]string{"h a gone"}, "error: hard link target"},
		"hard link to what comes later":   {[]string{"h a b", "f b"}, "error: hard link target"},
		"hard link to itself":             {[]string{"f a", "h a a"}, "error: a hard link to itself"},
		"hard link to a directory":        {[]string{"d d/", "h a d"}, "error: a hard link to a directory"},
		"hard link out":                   {[]string{"h a ../../etc/passwd"}, "error: hard link"},
		"hard link to the image's":        {[]string{"h a ../bin/sh"}, "error: hard link"},
		"hard link to a link":             {[]string{"l l x", "h a l"}, "a l"},
		"hard link to a pipe":             {[]string{"p p", "h a p"}, "a p"},
		"hard link chain":                 {[]string{"f a", "h b a", "h c b"}, "a b c"},
		"hard link through a link":        {[]string{"d d/", "f d/f", "l l d", "h a l/f"}, "a d d/f l"},
		"hard link, absolute":             {[]string{"f a", "h b /a"}, "a b"},
		"hard link with a dot":            {[]string{"f a", "h b ./a"}, "a b"},
		"below a file":                    {[]string{"f a", "f a/b"}, "error: "},
		"below a link to a file":          {[]string{"f a", "l l a", "f l/b"}, "error: "},
		"below a link to nothing":         {[]string{"l l gone", "f l/b"}, "gone gone/b l"},
		"below a link that loops":         {[]string{"l l l", "f l/b"}, "error: "},
		"below two links that loop":       {[]string{"l a b", "l b a", "f a/x"}, "error: "},
		"below a link out":                {[]string{"l l ../../..", "f l/b"}, "l"},
		"below a link to the root":        {[]string{"l l /", "f l/b"}, "l"},
		"directory, then file":            {[]string{"d a/", "f a"}, "a"},
		"full directory, then file":       {[]string{"d a/", "f a/b", "f a"}, "a"},
		"file, then directory":            {[]string{"f a", "d a/", "f a/b"}, "a a/b"},
		"link, then directory":            {[]string{"d d/", "l a d", "d a/", "f a/b"}, "a d d/b"},
		"file, then link, then file":      {[]string{"f a", "l a b", "f a"}, "a"},
		"the same file twice":             {[]string{"f a", "f a"}, "a"},
		"the same directory twice":        {[]string{"d a/", "d a/"}, "a"},
		"the same link twice":             {[]string{"l a x", "l a y"}, "a"},
		"the top itself":                  {[]string{"d ./", "f ./a"}, "a"},
		"the top as a link":               {[]string{"l . x"}, ""},
		"a name with dots":                {[]string{"f a/./b/../c"}, "a a/c"},
		"a name that leads up":            {[]string{"f ../../../x"}, "x"},
		"an absolute name":                {[]string{"f /a"}, "a"},
		"slashes":                         {[]string{"f a//b///c"}, "a a/b a/b/c"},
		"a long name":                     {[]string{"f " + long}, long},
		"a name too long":                 {[]string{"f " + strings.Repeat("n", 256)}, "error: "},
		"a path too long":                 {[]string{"f " + strings.Repeat("dir/", 1100) + "f"}, "error: "},
		"a deep path":                     {[]string{"f " + deep}, "deep"},
		"a long link":                     {[]string{"l a " + strings.Repeat("t", 4000)}, "a"},
		"a link too long":                 {[]string{"l a " + strings.Repeat("t", 5000)}, "error: "},
		"a whiteout":                      {[]string{"f .wh.a"}, "error: "},
		"an opaque mark":                  {[]string{"d d/", "f d/.wh..wh..opq"}, "error: "},
		"below a whiteout":                {[]string{"f .wh.d/a"}, "error: "},
		"a hard link named as a whiteout": {[]string{"f a", "h .wh.b a"}, "error: "},
		"a pipe":                          {[]string{"p p"}, "p"},
		"a device":                        {[]string{"c c", "b b"}, "b c"},
		"an unknown type":                 {[]string{"x a"}, "error: "},
		"no entry":                        {nil, "a.tar"},
		"odd bytes":                       {[]string{"f \xff\xfe", "f \t", "f \""}, "\t \" \xff\xfe"},
	}
	w := newWorld(t)
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		tc := cases[name]
		w.write(map[string]string{"a.tar": odd(t, tc.entries...)})
		// With and without a step on top: once only the layer is made, once its files are.
		for _, more := range []string{"", "RUN write /more x\n"} {
			b, err := w.build("FROM base\nADD a.tar /o/\n" + more)
			if reason, ok := strings.CutPrefix(tc.want, "error: "); ok {
				if err == nil || !strings.Contains(err.Error(), "a.tar") && !strings.Contains(err.Error(), "tar: ") || !strings.Contains(err.Error(), reason) {
					t.Errorf("%s: %v, want an error: %s", name, err, reason)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := unpackedBelow(t, w, b, "o"); got != tc.want && tc.want != "deep" {
				t.Errorf("%s: unpacked again it has %q, want %q", name, got, tc.want)
			}
		}
	}
	w.checkClean()
	t.Logf("%d odd archives", len(cases))
}

// unpackedBelow unpacks an image as whoever pulls it does, and lists dir.
func unpackedBelow(t *testing.T, w *world, b *built, dir string) string {
	t.Helper()
	root := t.TempDir()
	for i, l := range b.manifest.Layers {
		r, err := w.store.Open(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		z, err := compress.NewReader(t.Context(), content.NewReader(r), compress.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		res, err := apply.Apply(t.Context(), apply.Target{Dir: root}, z, archive.Options{})
		if err == nil && string(res.DiffID) != string(b.config.RootFS.DiffIDs[i]) {
			err = fmt.Errorf("its tar is %s", res.DiffID)
		}
		if err != nil {
			t.Errorf("layer %d: %v", i, err)
		}
		_, _ = io.Copy(io.Discard, z)
		_, _ = z.Close(), r.Close()
	}
	var names []string
	var walk func(rel string)
	walk = func(rel string) {
		entries, err := os.ReadDir(root + "/" + dir + "/" + rel)
		if err != nil {
			return
		}
		for _, e := range entries {
			names = append(names, rel+e.Name())
			if e.IsDir() {
				walk(rel + e.Name() + "/")
			}
		}
	}
	walk("")
	slices.Sort(names)
	return strings.Join(names, " ")
}
