package builder

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/layers/archive"
	"cove/layers/compress"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestSuites builds what the suites of other builders ask about, and compares all of it with
// golden files: config, history, and each layer's files with mode, owner and bytes. An
// archive of testdata/suites has Dockerfiles of one context; what its first lines make is
//
//	chmod MODE FILE · hardlink OLD NEW · mkdir DIRECTORY · socket FILE · fifo FILE · tar FILE NAME… NAME->LINK…
//
// and what a line "#: WORD …" of a Dockerfile asks for is
//
//	arg NAME=VALUE · target STAGE · label KEY=VALUE · platform OS/ARCH · ignore PATTERN PATTERN…
func TestSuites(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/suites/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			suite(t, a)
			if *update {
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// suite builds each Dockerfile of an archive.
func suite(t *testing.T, a *txtar.Archive) {
	w := newWorld(t)
	want := map[string]string{}
	var dockerfiles []txtar.File
	for _, f := range a.Files {
		if of, ok := strings.CutSuffix(f.Name, ".want"); ok {
			want[of] = string(f.Data)
		} else if strings.HasSuffix(f.Name, ".Dockerfile") {
			dockerfiles = append(dockerfiles, f)
		} else {
			w.write(map[string]string{f.Name: strings.TrimSuffix(string(f.Data), "\n")})
		}
	}
	for line := range strings.Lines(string(a.Comment)) {
		w.furnish(strings.Fields(line))
	}
	files := slices.DeleteFunc(slices.Clone(a.Files), func(f txtar.File) bool { return strings.HasSuffix(f.Name, ".want") })
	for _, df := range dockerfiles {
		name := strings.TrimSuffix(df.Name, ".Dockerfile")
		got := ""
		if b, err := w.build(string(df.Data), w.asked(string(df.Data))); err != nil {
			got = "error: " + err.Error() + "\n"
		} else {
			got = w.dump(b)
		}
		if !*update && got != want[name] {
			t.Errorf("%s (run with -update and read the diff):\n%s\nwant:\n%s", name, got, want[name])
		}
		at := slices.IndexFunc(files, func(f txtar.File) bool { return f.Name == df.Name })
		files = slices.Insert(files, at+1, txtar.File{Name: name + ".want", Data: []byte(got)})
	}
	a.Files = files
}

// furnish makes in the context what a text file cannot.
func (w *world) furnish(f []string) {
	if len(f) == 0 {
		return
	}
	in := func(i int) string { return filepath.Join(w.dir, f[i]) }
	var err error
	switch f[0] {
	case "chmod":
		mode, bad := strconv.ParseUint(f[1], 8, 32)
		perm := os.FileMode(mode & 0o777)
		for bit, flag := range map[uint64]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
			if mode&bit != 0 {
				perm |= flag
			}
		}
		err = errors.Join(bad, os.Chmod(in(2), perm))
	case "hardlink":
		err = os.Link(in(1), in(2))
	case "mkdir":
		err = os.MkdirAll(in(1), 0o755)
	case "socket":
		err = unix.Mknod(in(1), unix.S_IFSOCK|0o600, 0)
	case "fifo":
		err = unix.Mkfifo(in(1), 0o600)
	case "tar":
		names := strings.Split(strings.ReplaceAll(strings.Join(f[2:], "\n"), "->", " -> "), "\n")
		err = os.WriteFile(in(1), tarOf(w.t, names...), 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// asked is what the lines "#: …" of a Dockerfile ask of its build.
func (w *world) asked(dockerfile string) func(*Request) {
	return func(r *Request) {
		for line := range strings.Lines(dockerfile) {
			text, ok := strings.CutPrefix(strings.TrimSpace(line), "#: ")
			if !ok {
				continue
			}
			word, rest, _ := strings.Cut(text, " ")
			key, value, _ := strings.Cut(rest, "=")
			switch word {
			case "arg":
				if r.BuildArgs == nil {
					r.BuildArgs = map[string]string{}
				}
				r.BuildArgs[key] = value
			case "label":
				r.Labels = map[string]string{key: value}
			case "target":
				r.Target = rest
			case "platform":
				r.Platforms[0].OS, r.Platforms[0].Architecture, _ = strings.Cut(rest, "/")
			case "ignore":
				w.write(map[string]string{".dockerignore": strings.Join(strings.Fields(rest), "\n")})
			default:
				w.t.Fatalf("what is %q?", line)
			}
		}
	}
}

// dump tells all of an image but its base's layers and times.
func (w *world) dump(b *built) string {
	var out strings.Builder
	config, err := json.Marshal(b.config.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(&out, "config %s\n", config)
	if b.config.Author != "" {
		fmt.Fprintf(&out, "author %s\n", b.config.Author)
	}
	for _, warning := range b.Warnings {
		fmt.Fprintf(&out, "warning %s: %s\n", warning.Rule, warning.Text)
	}
	layer := 0
	for _, h := range b.config.History {
		if h.CreatedBy == "base layer" {
			layer++
			continue
		}
		fmt.Fprintf(&out, "%q\n", h.CreatedBy)
		if !h.EmptyLayer {
			w.dumpLayer(&out, b, layer)
			layer++
		}
	}
	return out.String()
}

func (w *world) dumpLayer(out io.Writer, b *built, i int) {
	r, err := w.store.Open(w.t.Context(), b.manifest.Layers[i])
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	z, err := compress.NewReader(w.t.Context(), content.NewReader(r), compress.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer z.Close()
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			w.t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err := io.Copy(&body, tr); err != nil {
			w.t.Fatal(err)
		}
		what := fmt.Sprintf("%q", body.String())
		if len(what) > 300 {
			what = fmt.Sprintf("%d bytes, %s", body.Len(), digest.FromBytes(body.Bytes()))
		}
		switch h.Typeflag {
		case tar.TypeDir:
			what = ""
		case tar.TypeSymlink:
			what = "-> " + h.Linkname
		case tar.TypeLink:
			what = "is " + h.Linkname
		}
		line := fmt.Sprintf("  %04o %d:%d %s %s", h.Mode, h.Uid, h.Gid, h.Name, what)
		for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
			if attr, ok := strings.CutPrefix(key, archive.XattrPrefix); ok {
				line += fmt.Sprintf(" %s=%q", attr, h.PAXRecords[key])
			}
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}
