package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"
)

// TestCopyRules holds where COPY puts what. "-" means that the image must not
// have the path.
func TestCopyRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{
		"a": "A", "b": "B", "dir/x": "X", "dir/sub/y": "Y", "dir/sub/z.md": "Z", "with space": "S", "[odd]": "O",
		"link -> a": "", "dirlink -> dir": "", "abslink -> /a": "", "nowhere -> gone": "",
	})
	for _, tc := range []struct {
		name, instr string
		want        map[string]string
	}{
		{"file to a name", "COPY a /x", map[string]string{"x": "644 0:0 A"}},
		{"file to a directory", "COPY a /x/", map[string]string{"x/a": "644 0:0 A", "x": "755 0:0 dir"}},
		{"file to a directory that is there", "COPY a /home", map[string]string{"home/a": "644 0:0 A"}},
		{"two files", "COPY a b /x/", map[string]string{"x/a": "644 0:0 A", "x/b": "644 0:0 B"}},
		{"to the working directory", "WORKDIR /w\nCOPY a .", map[string]string{"w/a": "644 0:0 A"}},
		{"relative", "WORKDIR /w\nCOPY a v/u", map[string]string{"w/v/u": "644 0:0 A"}},
		{"contents of a directory", "COPY dir /x", map[string]string{"x/x": "644 0:0 X", "x/sub/y": "644 0:0 Y", "x/dir": "-"}},
		{"everything", "COPY . /x/", map[string]string{"x/dir/sub/y": "644 0:0 Y", "x/link": "777 0:0 -> a", "x/nowhere": "777 0:0 -> gone"}},
		{"a link is followed", "COPY link /x", map[string]string{"x": "644 0:0 A"}},
		{"an absolute link stays in the context", "COPY abslink /x", map[string]string{"x": "644 0:0 A"}},
		{"a link to a directory", "COPY dirlink /x", map[string]string{"x/sub/y": "644 0:0 Y"}},
		{"through a link", "COPY dirlink/x /y", map[string]string{"y": "644 0:0 X"}},
		{"pattern", "COPY [ab] /x/", map[string]string{"x/a": "644 0:0 A", "x/b": "644 0:0 B"}},
		{"pattern of directories", "COPY d*/s*/y /x", map[string]string{"x": "644 0:0 Y"}},
		{"escaped pattern", `COPY [[]odd] /x`, map[string]string{"x": "644 0:0 O"}},
		{"spaces", `COPY ["with space", "/with space"]`, map[string]string{"with space": "644 0:0 S"}},
		{"parents", "COPY --parents dir/sub/y /x/", map[string]string{"x/dir/sub/y": "644 0:0 Y", "x/dir": "755 0:0 dir", "x/dir/x": "-"}},
		{"parents from a pivot", "COPY --parents dir/./sub/y /x/", map[string]string{"x/sub/y": "644 0:0 Y", "x/dir": "-"}},
		{"parents at any depth", "COPY --parents **/*.md /x/", map[string]string{"x/dir/sub/z.md": "644 0:0 Z", "x/dir/sub/y": "-"}},
		{"exclude", "COPY --exclude=**/*.md --exclude=x dir /x/", map[string]string{"x/sub/y": "644 0:0 Y", "x/sub/z.md": "-", "x/x": "-"}},
		{"exclude a file", "COPY --exclude=b [ab] /x/", map[string]string{"x/a": "644 0:0 A", "x/b": "-"}},
		{"chown by name", "COPY --chown=app a /x/a", map[string]string{"x/a": "644 1000:1001 A", "x": "755 1000:1001 dir"}},
		{"chown with group", "COPY --chown=app:web a /x", map[string]string{"x": "644 1000:33 A"}},
		{"chown by number", "COPY --chown=7 a /x", map[string]string{"x": "644 7:7 A"}},
		{"chmod", "COPY --chmod=4711 a /x", map[string]string{"x": "4711 0:0 A"}},
		{"chmod symbolic", "COPY --chmod=u=rwX,go= dir /x", map[string]string{"x/x": "600 0:0 X", "x/sub": "700 0:0 dir"}},
		{"link", "COPY --link a /lib/x", map[string]string{"lib/x": "644 0:0 A"}},
		{"link leaves what is there alone", "COPY --link --chown=1000 a /etc/app/f", map[string]string{
			"etc": "-", "etc/app": "755 1000:1000 dir", "etc/app/f": "644 1000:1000 A",
		}},
		{"link into a directory", "COPY --link --chmod=600 --chown=5 a /home/app/", map[string]string{"home": "-", "home/app": "755 0:0 dir", "home/app/a": "600 5:5 A"}},
		{"link of a directory onto one", "COPY --link --chmod=700 --chown=5 dir /home/app", map[string]string{
			"home": "-", "home/app": "755 0:0 dir", "home/app/sub": "700 5:5 dir",
		}},
		{"link where nothing is", "COPY --link --chown=5 a /new/x", map[string]string{"new": "755 5:5 dir", "new/x": "644 5:5 A"}},
		{"through a link of the image", "COPY a /lib/x", map[string]string{"usr/lib/x": "644 0:0 A", "lib": "777 0:0 -> usr/lib"}},
		{"a directory onto a link of the image", "COPY dir /lib", map[string]string{"usr/lib/sub/y": "644 0:0 Y", "lib": "777 0:0 -> usr/lib"}},
		{"a tree onto a link of the image", "RUN true\nCOPY --from=tree / /", map[string]string{"usr/lib/new": "755 0:0 n", "lib": "777 0:0 -> usr/lib"}},
		{"from keeps owners", "COPY --from=tree /owned /x", map[string]string{"x": "755 5:6 o"}},
		{"inline", "COPY <<E <<F /x/\none\nE\ntwo\nF", map[string]string{"x/E": "644 0:0 one\n", "x/F": "644 0:0 two\n"}},
		{"the last of two wins", "COPY a dir/x /x/\nCOPY b /x/a", map[string]string{"x/a": "644 0:0 B"}},
		{"nothing matches", "COPY *.nope /x/\nRUN true", map[string]string{"x": "-"}},
		{"out of the context", "COPY ../../a /x", map[string]string{"x": "644 0:0 A"}},
		{"working directory of a user", "USER app\nWORKDIR /p/q", map[string]string{"p/q": "755 1000:1001 dir", "p": "755 1000:1001 dir"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := w
			w.t = t
			b := w.must("FROM owned AS tree\nRUN write /lib/new2 x\nFROM base\n" + strings.ReplaceAll(tc.instr, "--from=tree", "--from=owned") + "\n")
			for p, want := range tc.want {
				got, ok := b.files[p]
				if want == "-" && ok || want != "-" && got != want {
					t.Errorf("%s is %q, want %q", p, got, want)
				}
			}
		})
	}
}

func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "A", "b": "B", "d/etc/passwd/x": "", "e/bin/sh": "", ".wh.gone": "", "loop -> loop": "", "up -> ../../../../../etc/passwd": ""})
	for instr, want := range map[string]string{
		"COPY [ab] /x":                 "destination must be a directory",
		"COPY a /bin/sh/":              "is a file and not a directory",
		"COPY a /bin/sh/x":             "/bin/sh is a file and not a directory",
		"COPY d /":                     "cannot copy the directory /etc/passwd: a file is there",
		"COPY a b /etc/passwd/":        "is a file and not a directory",
		"COPY .wh.gone /x":             "marks a deleted file",
		"COPY a /.wh.a":                "marks a deleted file",
		"COPY a /.wh.x/y/":             "marks a deleted file",
		"COPY --link a /x/.wh.a":       "marks a deleted file",
		"ADD d /.wh..wh..opq":          "marks a deleted file",
		"COPY <<.wh.doc /\nx\n.wh.doc": "marks a deleted file",
		"WORKDIR /a/.wh.b":             "marks a deleted file",
		"COPY . /x":                    "",
		"COPY loop /x":                 "symbolic links",
		"COPY up /x":                   `"up": not found in the build context`,
		"COPY a/b /x":                  "is not a directory",
		"COPY --chown=nobody a /":      `no user "nobody" in /etc/passwd`,
		"COPY --chown=app:no a /":      `no group "no" in /etc/group`,
		"COPY --chown=:x a /":          "is no user",
		"COPY --link --chown=app a /":  `no user "app"`,
		"COPY [ /x":                    "pattern",
	} {
		_, err := w.build("FROM base\n" + instr + "\n")
		instr, _, _ = strings.Cut(instr, "\n")
		if want == "" {
			want = ".wh.gone" // the whole context holds a name that cannot be
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "stdin:2: "+instr+": ") {
			t.Errorf("%s: %v\nwant %s", instr, err, want)
		}
	}
}

// tarOf makes an archive; a name that ends in "/" is a directory, "x -> y" a link.
func tarOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, n := range names {
		h := &tar.Header{Name: n, Mode: 0o640, Size: 4, Uid: 3, Gid: 4, ModTime: time.Unix(1e9, 0), Typeflag: tar.TypeReg}
		if from, to, ok := strings.Cut(n, " -> "); ok {
			h.Name, h.Linkname, h.Size, h.Typeflag = from, to, 0, tar.TypeSymlink
		} else if strings.HasSuffix(n, "/") {
			h.Size, h.Typeflag = 0, tar.TypeDir
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
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
	return b.Bytes()
}

func TestAddArchives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := tarOf(t, "top", "d/", "d/in", "l -> d", "deep/er/file", "lib/more")
	var gz, zs, xzb bytes.Buffer
	gw := gzip.NewWriter(&gz)
	gw.Write(plain)
	gw.Close()
	zw, _ := zstd.NewWriter(&zs)
	zw.Write(plain)
	zw.Close()
	xw, _ := xz.NewWriter(&xzb)
	xw.Write(plain)
	xw.Close()
	var text bytes.Buffer
	gw = gzip.NewWriter(&text)
	gw.Write(bytes.Repeat([]byte("not a tar\n"), 200))
	gw.Close()
	w.write(map[string]string{
		"p.tar": string(plain), "p.tgz": gz.String(), "p.tzst": zs.String(), "p.xz": xzb.String(), "text.gz": text.String(), "plain": "x",
	})
	for _, name := range []string{"p.tar", "p.tgz", "p.tzst", "p.xz"} {
		b := w.must("FROM base\nADD " + name + " /o\n")
		for p, want := range map[string]string{
			"o/top": "640 3:4 data", "o/d/in": "640 3:4 data", "o/l": "777 3:4 -> d", "o/deep/er": "755 0:0 dir", "o/deep/er/file": "640 3:4 data",
		} {
			if b.files[p] != want {
				t.Errorf("%s: %s is %q, want %q", name, p, b.files[p], want)
			}
		}
		if !b.times["o/top"].Equal(time.Unix(1e9, 0)) {
			t.Errorf("%s: the archive's time became %v", name, b.times["o/top"])
		}
	}
	linked := w.must("FROM base\nADD --link p.tgz /etc/deeper\n")
	if linked.files["etc"] != "755 0:0 dir" || linked.files["etc/deeper"] != "755 0:0 dir" || linked.files["etc/deeper/deep/er"] != "755 0:0 dir" {
		t.Errorf("a linked archive: etc %q, etc/deeper %q", linked.files["etc"], linked.files["etc/deeper"])
	}
	b := w.must("FROM base\nADD p.tgz /\nADD text.gz plain /t/\nADD --unpack=false p.tar /raw/\nADD --chown=app --chmod=600 p.tar /own\n")
	for p, want := range map[string]string{
		"usr/lib/more": "640 3:4 data", "lib": "777 0:0 -> usr/lib", "t/plain": "644 0:0 x", "own/top": "640 1000:1001 data",
	} {
		if b.files[p] != want {
			t.Errorf("%s is %q, want %q", p, b.files[p], want)
		}
	}
	if len(b.files["raw/p.tar"]) < 1000 || len(b.files["t/text.gz"]) < 10 {
		t.Error("what is not to be unpacked was not copied as it is")
	}
}

func TestAddURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var hits int
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		hits++
		if r.URL.Path != "/a/file.bin" {
			http.NotFound(rw, r)
			return
		}
		rw.Write([]byte("remote"))
	}))
	defer srv.Close()
	host := func(r *Request) { r.Allow = []string{"network.host"} }
	df := "FROM base\nADD " + srv.URL + "/a/file.bin /x/\n"
	if _, err := w.build(df); err == nil || !strings.Contains(err.Error(), "may not fetch from 127.0.0.1") || hits > 0 {
		t.Fatalf("a local address was fetched from: %v", err)
	}
	if b := w.must(df, host); b.files["x/file.bin"] != "600 0:0 remote" {
		t.Errorf("%q", b.files["x/file.bin"])
	}
	if b := w.must(df, host); b.Cached != 1 {
		t.Error("the same bytes were not cached")
	}
	if _, err := w.build("FROM base\nADD "+srv.URL+"/nope /x\n", host); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
	sum := digest.FromString("remote").String()
	df = "FROM base\nADD --checksum=" + sum + " " + srv.URL + "/a/file.bin /y\n"
	w.must(df, host)
	before := hits
	if w.must(df, host); hits != before {
		t.Error("a file with a checksum was fetched again")
	}
	df = strings.Replace(df, sum, digest.FromString("other").String(), 1)
	if _, err := w.build(df, host); err == nil || !strings.Contains(err.Error(), "as --checksum says") {
		t.Error(err)
	}
}

// TestTimes: a copied file keeps its time, wherever it comes from; a change of
// the time alone is a hit; SOURCE_DATE_EPOCH sets it, and bounds an archive's.
func TestTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	modified := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dated" {
			rw.Header().Set("Last-Modified", modified.Format(http.TimeFormat))
		}
		rw.Write([]byte("remote"))
	}))
	defer srv.Close()
	w.write(map[string]string{"d/a": "1", "index.html": "one", "p.tar": string(tarOf(t, "in"))})
	touch := func(name string, at time.Time) {
		t.Helper()
		if err := os.Chtimes(filepath.Join(w.dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2020, 1, 2, 3, 4, 5, 987654321, time.UTC)
	for _, name := range []string{"d/a", "d", "index.html"} {
		touch(name, at)
	}
	df := "FROM base AS other\nFROM base\nCOPY index.html /i\nCOPY d /d\nCOPY --link index.html /l\nCOPY --from=other /bin/sh /s\n" +
		"COPY <<E /inline\nx\nE\nADD p.tar /t\nADD " + srv.URL + "/dated /u\nADD " + srv.URL + "/undated /v\n"
	host := func(r *Request) { r.Allow = []string{"network.host"} }
	b := w.must(df, host)
	for p, want := range map[string]time.Time{
		"i": at, "d": at, "d/a": at, "l": at, "s": time.Unix(1e9, 0), "t/in": time.Unix(1e9, 0), "u": modified, "v": time.Unix(0, 0),
		"inline": b.times["inline"],
	} {
		if got := b.times[p]; !got.Equal(want.Truncate(time.Second)) {
			t.Errorf("%s is of %v, want %v", p, got, want)
		}
	}
	if b.times["inline"].Year() != 2026 {
		t.Errorf("a document in the Dockerfile is of %v, want the time of the build", b.times["inline"])
	}
	touch("index.html", at.Add(time.Hour))
	if again := w.must(df, host); again.Cached == 0 || again.Image().Target.Digest != b.Image().Target.Digest {
		t.Errorf("another time of the same bytes made another image")
	}
	w.write(map[string]string{"index.html": "two"})
	touch("index.html", at.Add(2*time.Hour))
	if got := w.must(df, host).times["i"]; !got.Equal(at.Add(2 * time.Hour).Truncate(time.Second)) {
		t.Errorf("the changed file is of %v", got)
	}
	for epoch, archived := range map[string]int64{"1600000000": 1e9, "900000000": 900000000} {
		b = w.must(df, host, func(r *Request) { r.BuildArgs = map[string]string{"SOURCE_DATE_EPOCH": epoch} })
		for _, p := range []string{"i", "d", "d/a", "l", "s", "inline", "u", "v"} {
			if got := fmt.Sprint(b.times[p].Unix()); got != epoch {
				t.Errorf("with the epoch %s %s is of %s", epoch, p, got)
			}
		}
		if got := b.times["t/in"].Unix(); got != archived {
			t.Errorf("with the epoch %s an archive's file is of %d, want %d", epoch, got, archived)
		}
	}
}

// TestSameEverywhere: another checkout of the same files makes the same layers,
// if it is told which time is theirs.
func TestSameEverywhere(t *testing.T) {
	t.Parallel()
	df := "FROM base\nCOPY . /x\nCOPY --from=base /bin/sh /y\nWORKDIR /z\nADD a.tar /w\n"
	digests := map[string]bool{}
	for i := range 2 {
		w := newWorld(t)
		w.write(map[string]string{"d/a": "1", "d/b": "2", "a.tar": string(tarOf(t, "in", "side/"))})
		if i == 1 {
			at := time.Now().Add(-time.Hour)
			for _, p := range []string{"d/a", "d", "."} {
				if err := os.Chtimes(filepath.Join(w.dir, p), at, at); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(w.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(filepath.Join(w.dir, "d/a"), 1234, 5678); err != nil {
				t.Fatal(err)
			}
		}
		b := w.must(df, func(r *Request) { r.BuildArgs = map[string]string{"SOURCE_DATE_EPOCH": "1700000000"} })
		var ds []string
		for _, l := range b.manifest.Layers {
			ds = append(ds, l.Digest.String())
		}
		digests[strings.Join(ds, " ")] = true
	}
	if len(digests) != 1 {
		t.Errorf("two machines made %d different images", len(digests))
	}
}

// TestContextFacts: hard links, the attributes of users and file capabilities
// come along from a context, as from a stage; access lists, which name users of
// the machine, do not. The cache knows them.
func TestContextFacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"d/a": "1", "d/sub/c": "3", "d/tool": "x"})
	in := func(name string) string { return filepath.Join(w.dir, name) }
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // cap_net_raw=ep
	acl := "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x06\x00\x07\x00\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x06\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff"
	err := errors.Join(
		os.Link(in("d/a"), in("d/b")), os.Link(in("d/a"), in("d/sub/again")),
		unix.Setxattr(in("d/a"), "user.note", []byte("of a"), 0), unix.Setxattr(in("d/sub"), "user.note", []byte("of sub"), 0),
		unix.Setxattr(in("d/tool"), "security.capability", []byte(capability), 0),
		unix.Setxattr(in("d/sub/c"), "system.posix_acl_access", []byte(acl), 0),
	)
	if errors.Is(err, unix.ENOTSUP) {
		t.Skip("needs a file system with extended attributes:", err)
	} else if err != nil {
		t.Fatal(err)
	}
	df := "FROM base\nCOPY d /x\nCOPY d/tool /t\nFROM scratch\nCOPY --from=0 /x /y\nCOPY --from=0 /t /t\n"
	check := func(how string, b *built) {
		t.Helper()
		for p, want := range map[string]string{"y/b": "-> y/a", "y/sub/again": "-> y/a", "y/sub/c": "3"} {
			if got := b.files[p]; !strings.HasSuffix(got, " "+want) {
				t.Errorf("%s: %s is %q, want %q", how, p, got, want)
			}
		}
		for p, want := range map[string]map[string]string{
			"y/a": {"user.note": "of a"}, "y/sub": {"user.note": "of sub"}, "y/tool": {"security.capability": capability},
			"t": {"security.capability": capability}, "y/sub/c": nil,
		} {
			if got := b.xattrs[p]; !maps.Equal(got, want) {
				t.Errorf("%s: %s has the attributes %q, want %q", how, p, got, want)
			}
		}
	}
	check("from nothing", w.must(df))
	again := w.must(df)
	check("cached", again)
	if again.Cached != again.Steps {
		t.Errorf("%d of %d steps were cached", again.Cached, again.Steps)
	}
	if err := unix.Setxattr(in("d/a"), "user.note", []byte("changed"), 0); err != nil {
		t.Fatal(err)
	}
	if b := w.must(df); b.xattrs["y/a"]["user.note"] != "changed" {
		t.Errorf("another value of an attribute was not seen: %q", b.xattrs["y/a"])
	}
}

// TestAddOfAShortFile: a file shorter than a header is copied, whatever a tar
// reader would wait for.
func TestAddOfAShortFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, n := range []int{0, 31, 32, 100, 511, 512, 600} {
		w.write(map[string]string{"f": strings.Repeat("x", n)})
		b := w.must("FROM base\nADD f /g\n")
		if got := b.files["g"]; strings.Count(got, "x") != n || !strings.Contains(got, " 0:0 ") {
			t.Errorf("a file of %d bytes became %.40q", n, got)
		}
	}
}

// TestMisspeltSource: the name that was meant is asked for, in a directory too
// and from a stage; one that is far from all is not, nor one that is ignored.
func TestMisspeltSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"Makefile": "1", "src/main.go": "2", "hidden": "3", ".dockerignore": "hidden\n"})
	for src, want := range map[string]string{
		"COPY makefile /":        `; did you mean "Makefile"?`,
		"COPY scr/main.go /":     `; did you mean "src/main.go"?`,
		"ADD src/mian.go /":      `; did you mean "src/main.go"?`,
		"COPY hiden /":           `the build context`,
		"COPY nothing-like-it /": `the build context`,
		"COPY src /s\nFROM base\nCOPY --from=0 /s/main.og /main": `; did you mean "s/main.go"?`,
	} {
		if _, err := w.build("FROM base\n" + src + "\n"); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want …%s", src, err, want)
		}
	}
}
