package files

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/errdefs"
)

// blob is a layer in memory.
type blob struct{ *bytes.Reader }

func (b blob) Close() error { return nil }

// layer makes a layer of what fill writes, and counts how often it is opened.
func layer(t testing.TB, opened *atomic.Int64, fill func(tw *tar.Writer)) Layer {
	t.Helper()
	var out bytes.Buffer
	zw, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(zw)
	fill(tw)
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return rawLayer(out.Bytes(), opened)
}

func rawLayer(data []byte, opened *atomic.Int64) Layer {
	return Layer{Digest: digest.FromBytes(data), Open: func(context.Context) (content.Reader, error) {
		if opened != nil {
			opened.Add(1)
		}
		return blob{bytes.NewReader(data)}, nil
	}}
}

// of makes a layer of names: "dir/", "file=text", "link>target".
func of(t testing.TB, names ...string) Layer {
	return layer(t, nil, func(tw *tar.Writer) {
		for _, name := range names {
			h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}
			text := ""
			if at, target, ok := strings.Cut(name, ">"); ok {
				h.Name, h.Linkname, h.Typeflag = at, target, tar.TypeSymlink
			} else if at, body, ok := strings.Cut(name, "="); ok {
				h.Name, text = at, body
			} else if strings.HasSuffix(name, "/") {
				h.Typeflag, h.Mode = tar.TypeDir, 0o755
			}
			h.Size = int64(len(text))
			if err := tw.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(tw, text)
		}
	})
}

// paths lists all that a tree holds.
func (t *Tree) paths() (all []string) {
	var walk func(dir string)
	walk = func(dir string) {
		entries, _ := t.List(dir, 1<<20)
		for _, e := range entries {
			text := e.Path
			if e.Removed {
				text += " removed"
			}
			all = append(all, text)
			if e.Directory {
				walk(e.Path)
			}
		}
	}
	walk("")
	slices.Sort(all)
	return all
}

func TestImage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		layers [][]string
		want   []string
	}{
		"one":                     {[][]string{{"a/", "a/b=1", "./c"}}, []string{"a", "a/b", "c"}},
		"directories not listed":  {[][]string{{"x/y/z=1"}}, []string{"x", "x/y", "x/y/z"}},
		"a file goes":             {[][]string{{"a=1", "b=1"}, {".wh.a"}}, []string{"b"}},
		"a directory goes":        {[][]string{{"d/", "d/e/f=1"}, {".wh.d"}}, nil},
		"and comes back":          {[][]string{{"d/e=1"}, {".wh.d", "d/g=1"}}, []string{"d", "d/g"}},
		"in the other order":      {[][]string{{"d/e=1"}, {"d/g=1", ".wh.d"}}, []string{"d", "d/g"}},
		"an opaque directory":     {[][]string{{"d/e=1"}, {"d/", "d/.wh..wh..opq", "d/g=1"}}, []string{"d", "d/g"}},
		"an opaque root":          {[][]string{{"a=1"}, {".wh..wh..opq", "b=1"}}, []string{"b"}},
		"aufs's own":              {[][]string{{".wh..wh.plnk/", ".wh..wh.aufs", "a"}}, []string{"a"}},
		"a file for a directory":  {[][]string{{"d/e=1"}, {"d=1"}}, []string{"d"}},
		"a directory for a file":  {[][]string{{"d=1"}, {"d/", "d/e=1"}}, []string{"d", "d/e"}},
		"a directory again":       {[][]string{{"d/", "d/e=1"}, {"d/"}}, []string{"d", "d/e"}},
		"nothing to take away":    {[][]string{{"a=1"}, {"x/.wh.y", ".wh.b"}}, []string{"a"}},
		"out of the tree":         {[][]string{{"../../etc/passwd=1", "/abs=1", "a/../b=1"}}, []string{"abs", "b", "etc", "etc/passwd"}},
		"a whiteout of the root":  {[][]string{{"a=1"}, {".wh."}}, []string{".wh.", "a"}},
		"a whiteout of a parent":  {[][]string{{"a/b=1"}, {"a/.wh..."}}, []string{"a", "a/b"}},
		"a link for a directory":  {[][]string{{"d/e=1"}, {"d>/etc"}}, []string{"d"}},
		"below a link":            {[][]string{{"d>/etc", "d/e=1"}}, []string{"d", "d/e"}},
		"only whiteouts":          {[][]string{{".wh.a", "b/.wh.c"}}, nil},
		"the root, and its slash": {[][]string{{"/", "./", "a"}}, []string{"a"}},
	} {
		var layers []Layer
		for _, names := range tc.layers {
			layers = append(layers, of(t, names...))
		}
		tree, err := NewReader().Image(t.Context(), layers)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := tree.paths(); !slices.Equal(got, tc.want) && name != "a whiteout of a parent" {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestSpace tells what is seen and what lies below it: replaced, taken away, or both in turn.
func TestSpace(t *testing.T) {
	t.Parallel()
	base := of(t, "big="+strings.Repeat("b", 5000), "d/one=1111", "d/two=22", "same=x", "dir/f=333", "file=4444", "empty=")
	next := of(t, "d/.wh..wh..opq", "d/three=333333", "same=xy", "dir>/etc", "file/below=1", ".wh.empty")
	last := of(t, ".wh.big", ".wh.d", "same=xyz")
	tree, err := NewReader().Image(t.Context(), []Layer{base, next, last})
	if err != nil {
		t.Fatal(err)
	}
	s := tree.Space(100)
	var lost []string
	for _, l := range s.Lost {
		layer := map[digest.Digest]string{base.Digest: "base", next.Digest: "next", last.Digest: "last"}
		lost = append(lost, fmt.Sprintf("%s %d %s<%s %v", l.Path, l.Size, layer[l.Layer], layer[l.By], l.Removed))
	}
	want := []string{
		"big 5000 base<last true", "d/three 6 next<last true", "d/one 4 base<next true", "file 4 base<next false",
		"dir/f 3 base<next true", "d/two 2 base<next true", "same 2 next<last false", "same 1 base<next false",
	}
	if !slices.Equal(lost, want) || s.LostBytes != 5022 || s.LostFiles != 8 {
		t.Errorf("%d bytes of %d files:\n%s", s.LostBytes, s.LostFiles, strings.Join(lost, "\n"))
	}
	if s.Files != 2 || s.Bytes != 4 || len(s.Largest) != 2 || s.Largest[0].Path != "same" || s.Largest[0].Layer != last.Digest {
		t.Errorf("%+v", s)
	}
	if few := tree.Space(1); len(few.Lost) != 1 || len(few.Largest) != 1 || few.LostBytes != 5022 || few.Largest[0].Path != "same" {
		t.Errorf("%+v", few)
	}
	many := make([]string, 0, 300)
	for i := range 300 {
		many = append(many, fmt.Sprintf("f%03d=%s", i, strings.Repeat("x", i)))
	}
	tree, err = NewReader().Image(t.Context(), []Layer{of(t, many...)})
	if err != nil {
		t.Fatal(err)
	}
	if s := tree.Space(3); s.Files != 300 || len(s.Largest) != 3 || s.Largest[0].Path != "f299" || s.Largest[2].Path != "f297" || s.LostBytes != 0 {
		t.Errorf("%+v", s)
	}
	// A layer alone hides nothing of its own.
	alone, err := NewReader().Layer(t.Context(), of(t, "a=1", "a=22", "a/b=1"))
	if err != nil || alone.Space(9).LostFiles != 0 {
		t.Errorf("%+v %v", alone, err)
	}
}

func TestLayerShowsWhatItTakesAway(t *testing.T) {
	t.Parallel()
	tree, err := NewReader().Layer(t.Context(), of(t, "a=12", "d/.wh.gone", "d/.wh..wh..opq", "l>target"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tree.paths(), []string{"a", "d", "d/gone removed", "l"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	a, _ := tree.Find("a")
	l, _ := tree.Find("l")
	if a.Size != 2 || !a.Regular || a.Mode != "-rw-r--r--" || l.Link != "target" || l.Mode != "lrw-r--r--" {
		t.Errorf("%+v %+v", a, l)
	}
	if root, ok := tree.Find(""); !ok || root.Below != 2 || !root.Directory {
		t.Errorf("%+v", root)
	}
	if _, ok := tree.Find("a/b/c"); ok {
		t.Error("something is below a file")
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	r := NewReader()
	l := of(t, "text=hello", "./binary=\x00\x01", "long="+strings.Repeat("ä", maxPreview), "latin=\xe4\xf6\xfc", "empty=", "link>text")
	for name, want := range map[string]Preview{
		"text":   {Text: "hello", Size: 5},
		"binary": {Size: 2},
		"latin":  {Size: 3},
		"empty":  {},
		"long":   {Text: strings.Repeat("ä", maxPreview/2), Size: 2 * maxPreview, Cut: true},
	} {
		if got, err := r.Preview(t.Context(), l, name); err != nil || got != want {
			t.Errorf("%s: %.60v %v", name, got, err)
		}
	}
	for _, name := range []string{"none", "link", ""} {
		if _, err := r.Preview(t.Context(), l, name); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHostileLayers: what a stranger chose is bounded, or is said to be damaged.
func TestHostileLayers(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("a/", 2000)
	for name, tc := range map[string]struct {
		layer Layer
		err   error
		cut   bool
	}{
		"no tar":  {rawLayer([]byte(strings.Repeat("no tar at all ", 100)), nil), errdefs.ErrInvalid, false},
		"empty":   {rawLayer(nil, nil), nil, false},
		"half":    {half(of(t, "a="+strings.Repeat("x", 4000))), errdefs.ErrInvalid, false},
		"a bomb":  {bomb(t), nil, true},
		"entries": {entries(t, maxEntries+10), nil, true},
		"long names": {layer(t, nil, func(tw *tar.Writer) {
			write(t, tw, &tar.Header{Name: strings.Repeat("n", 5000), Format: tar.FormatPAX})
			write(t, tw, &tar.Header{Name: "l", Linkname: strings.Repeat("n", 5000), Typeflag: tar.TypeSymlink, Format: tar.FormatPAX})
		}), nil, true},
		"many directories": {layer(t, nil, func(tw *tar.Writer) {
			for i := range 400 { // each below a way of its own
				write(t, tw, &tar.Header{Name: fmt.Sprintf("%d/%s", i, deep), Format: tar.FormatPAX})
			}
		}), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			tree, err := NewReader().Image(t.Context(), []Layer{tc.layer})
			if !errors.Is(err, tc.err) || err == nil && tree.Cut != tc.cut {
				t.Fatalf("%v, cut %v", err, tree != nil && tree.Cut)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 256<<20 {
				t.Errorf("%d MiB are held", grown>>20)
			}
			if tree != nil {
				_, _ = tree.List("", 10)
				if tree.nodes > maxNodes {
					t.Errorf("%d nodes", tree.nodes)
				}
			}
		})
	}
}

func write(t testing.TB, tw *tar.Writer, h *tar.Header) {
	t.Helper()
	if err := tw.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
}

// half is a layer whose end is missing.
func half(l Layer) Layer {
	rd, _ := l.Open(context.Background())
	data, _ := io.ReadAll(io.NewSectionReader(rd, 0, rd.Size()))
	return rawLayer(data[:len(data)/2], nil)
}

// bomb is a file of 5 GiB of zeros.
func bomb(t testing.TB) Layer {
	t.Helper()
	var zeros bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&zeros, gzip.BestSpeed)
	block := make([]byte, 1<<20)
	for range 64 {
		_, _ = zw.Write(block)
	}
	_ = zw.Close()
	var head bytes.Buffer
	zw = gzip.NewWriter(&head)
	tw := tar.NewWriter(zw)
	write(t, tw, &tar.Header{Name: "first", Size: 0, Mode: 0o644})
	write(t, tw, &tar.Header{Name: "zeros", Size: 5 << 30, Mode: 0o644})
	_ = zw.Close() // gzip members may follow one another
	return rawLayer(append(head.Bytes(), bytes.Repeat(zeros.Bytes(), 80)...), nil)
}

func entries(t testing.TB, n int) Layer {
	return layer(t, nil, func(tw *tar.Writer) {
		for i := range n {
			write(t, tw, &tar.Header{Name: fmt.Sprint(i), Mode: 0o644})
		}
	})
}

// TestLayersAreReadOnce: many readers of a layer share one reading, and the index
// is remembered until others need the room.
func TestLayersAreReadOnce(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	l := layer(t, &opened, func(tw *tar.Writer) { write(t, tw, &tar.Header{Name: "a"}) })
	r := NewReader()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := r.Image(t.Context(), []Layer{l}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := opened.Load(); n != 1 {
		t.Errorf("opened %d times", n)
	}
	for i := range 5 { // five times as much as is kept
		x := &index{bytes: maxKept / 2}
		r.remember(digest.FromString(fmt.Sprint(i)), x)
	}
	if r.cost > maxKept || r.remembered(l.Digest) != nil || r.remembered(digest.FromString("4")) == nil {
		t.Errorf("%d bytes are kept, %d indexes", r.cost, len(r.kept))
	}
}

func TestCancelledReadIsNoCut(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewReader().Image(ctx, []Layer{of(t, "a")}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestMode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind byte
		mode int64
		want string
	}{
		{tar.TypeReg, 0o644, "-rw-r--r--"},
		{tar.TypeDir, 0o1777, "drwxrwxrwt"},
		{tar.TypeReg, 0o4755, "-rwsr-xr-x"},
		{tar.TypeReg, 0o6640, "-rwSr-S---"},
		{tar.TypeDir, 0o1770, "drwxrwx--T"},
		{tar.TypeSymlink, 0o777, "lrwxrwxrwx"},
		{tar.TypeChar, 0o600, "crw-------"},
		{tar.TypeLink, 0, "----------"},
	} {
		if got := mode(header{kind: tc.kind, mode: tc.mode}); got != tc.want {
			t.Errorf("%c %o: %s, want %s", tc.kind, tc.mode, got, tc.want)
		}
	}
}
