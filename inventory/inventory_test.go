package inventory_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"cove/errdefs"
	"cove/inventory"
	"cove/inventory/packages"
)

// blob is a layer in memory.
type blob struct{ *bytes.Reader }

func (blob) Close() error { return nil }

// file is an entry of a tar.
type file struct {
	name, text string
	mode       int64 // 0 is 0644
	link       bool
}

func layer(t testing.TB, files ...file) blob {
	t.Helper()
	var out bytes.Buffer
	packed, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(packed)
	for _, f := range files {
		h := &tar.Header{
			Name:     f.name,
			Mode:     max(f.mode, 0o644),
			Size:     int64(len(f.text)),
			Typeflag: tar.TypeReg,
		}
		if f.link {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, f.text, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if f.link {
			continue
		}
		if _, err := io.WriteString(w, f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return blob{bytes.NewReader(out.Bytes())}
}

func read(t testing.TB, files ...file) packages.Layer {
	t.Helper()
	l, err := inventory.Read(t.Context(), layer(t, files...), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lines are the packages of layers, one a line.
func lines(layers ...packages.Layer) string {
	var b strings.Builder
	image := packages.Stack(layers)
	if image.Release.ID != "" {
		fmt.Fprintf(&b, "system %s %s\n", image.Release.ID, image.Release.Version)
	}
	for _, p := range image.Packages {
		source, version := p.Lookup()
		fmt.Fprintf(&b, "%s %s %s", p.Type, p.Name, p.Version)
		if source != p.Name || version != p.Version {
			fmt.Fprintf(&b, " of %s %s", source, version)
		}
		fmt.Fprintf(&b, " in %s\n", p.Path)
	}
	return b.String()
}

const status = `Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.11-1~deb12u2
Description: a library
 with more to say
  Version: 9

Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b2

Package: gone
Status: deinstall ok config-files
Version: 1
`

const installed = "C:Q1abc\nP:libcrypto3\nV:3.1.4-r1\nA:x86_64\nL:Apache-2.0\no:openssl\nF:lib\nR:libcrypto.so.3\n\n" +
	"P:py3-pip\nV:23.1-r0\nA:x86_64\nF:usr/lib/python3.11/site-packages/pip-23.1.dist-info\nR:METADATA\n"

const debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n"

func TestPackagesOfLayers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		layers [][]file
		want   string
	}{
		"debian": {[][]file{{
			{name: "etc/os-release", text: "../usr/lib/os-release", link: true},
			{name: "./usr/lib/os-release", text: debian},
			{name: "var/lib/dpkg/status", text: status},
		}}, "system debian 12\ndeb bash 5.2.15-2+b2 of bash 5.2.15-2 in var/lib/dpkg/status\n" +
			"deb libssl3 3.0.11-1~deb12u2 of openssl 3.0.11-1~deb12u2 in var/lib/dpkg/status\n"},
		"distroless": {[][]file{{
			{name: "./var/lib/dpkg/status.d/base", text: "Package: base-files\nVersion: 12.4\n"},
			{name: "./var/lib/dpkg/status.d/tzdata", text: "Package: tzdata\nVersion: 2024a-0\n"},
		}}, "deb base-files 12.4 in var/lib/dpkg/status.d/base\ndeb tzdata 2024a-0 in var/lib/dpkg/status.d/tzdata\n"},
		"what the system's packages bring is theirs": {[][]file{{
			{name: "lib/apk/db/installed", text: installed},
			{name: "etc/os-release", text: "ID=alpine\nVERSION_ID=3.18.4\n"},
			{name: "usr/lib/python3.11/site-packages/pip-23.1.dist-info/METADATA", text: "Name: pip\nVersion: 23.1\n\nhi\n"},
			{name: "app/Flask_Login.dist-info/METADATA", text: "Metadata-Version: 2.1\nName: Flask_Login\nVersion: 0.6.2\nLicense: MIT\n\nName: no\n"},
		}}, "system alpine 3.18.4\napk libcrypto3 3.1.4-r1 of openssl 3.1.4-r1 in lib/apk/db/installed\n" +
			"apk py3-pip 23.1-r0 in lib/apk/db/installed\n" +
			"pypi flask-login 0.6.2 in app/Flask_Login.dist-info/METADATA\n"},
		"npm": {[][]file{{
			{name: "app/package.json", text: `{"name":"app","version":"1.0.0"}`},
			{name: "app/node_modules/@a/b/package.json", text: `{"name":"@a/b","version":"1.2.3","license":{"type":"MIT"}}`},
			{name: "app/node_modules/@a/b/esm/package.json", text: `{"type":"module"}`},
			{name: "app/package-lock.json", text: `{"lockfileVersion":3,"packages":{"":{"version":"1.0.0"},"node_modules/@a/b":{"version":"1.2.3"},` +
				`"node_modules/c":{"version":"2.0.0"},"node_modules/d":{"version":"3.0.0","dev":true},"node_modules/l":{"link":true}}}`},
			{name: "old/package-lock.json", text: `{"dependencies":{"x":{"version":"1.0.0","dependencies":{"y":{"version":"0.1.0"}}}}}`},
		}}, "npm @a/b 1.2.3 in app/node_modules/@a/b/package.json\n" +
			"npm c 2.0.0 in app/package-lock.json\nnpm x 1.0.0 in old/package-lock.json\nnpm y 0.1.0 in old/package-lock.json\n"},
		"upper layers take away": {[][]file{
			{
				{name: "a/node_modules/p/package.json", text: `{"name":"p","version":"1.0.0"}`},
				{name: "b/node_modules/q/package.json", text: `{"name":"q","version":"1.0.0"}`},
				{name: "c/node_modules/r/package.json", text: `{"name":"r","version":"1.0.0"}`},
				{name: "c/node_modules/s/package.json", text: `{"name":"s","version":"1.0.0"}`},
			},
			{
				{name: "a/.wh.node_modules"},
				{name: "b/node_modules/.wh..wh..opq"},
				{name: "b/node_modules/q2/package.json", text: `{"name":"q2","version":"1.0.0"}`},
				{name: "c/node_modules/r/package.json", text: `{"name":"r","version":"2.0.0"}`},
				{name: "c/node_modules/s/package.json", text: "/elsewhere", link: true},
			},
		}, "npm q2 1.0.0 in b/node_modules/q2/package.json\nnpm r 2.0.0 in c/node_modules/r/package.json\n"},
		"no packages": {[][]file{{
			{name: "etc/os-release", text: strings.Repeat("ID=x\n", 100_000)},
			{name: "x/node_modules/x/package.json", text: "{"},
			{name: "x/x.jar", text: "PK"},
			{name: "bin/x", text: "\x7fELF and no more", mode: 0o755},
			{name: "x.dist-info/METADATA", text: "\x00"},
			{name: "package-lock.json", text: "[]"},
		}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stack []packages.Layer
			for _, files := range tc.layers {
				l := read(t, files...)
				if l.Partial != "" {
					t.Errorf("partial: %s", l.Partial)
				}
				text, err := json.Marshal(l) // as it is kept
				if err != nil {
					t.Fatal(err)
				}
				l = packages.Layer{}
				if err := json.Unmarshal(text, &l); err != nil {
					t.Fatal(err)
				}
				stack = append(stack, l)
			}
			if got := lines(stack...); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

// TestGoPrograms reads a program of this repository, and sees it replaced.
func TestGoPrograms(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "cove/cmd/cove-runtime").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	below := read(t, file{name: "usr/bin/app", text: string(text), mode: 0o755})
	got := lines(below)
	stdlib := "golang stdlib " + strings.TrimPrefix(
		strings.Fields(runtime.Version())[0],
		"go",
	) + " in usr/bin/app\n"
	if !strings.Contains(got, stdlib) ||
		!strings.Contains(got, "golang golang.org/x/sys 0.") {
		t.Errorf("got\n%s", got)
	}
	script := read(t, file{name: "usr/bin/app", text: "#!/bin/sh\n", mode: 0o755})
	if got := lines(below, script); got != "" {
		t.Errorf("a script took its place:\n%s", got)
	}
}

// TestRustPrograms reads what cargo auditable writes, out of a program of C.
func TestRustPrograms(t *testing.T) {
	t.Parallel()
	objcopy, err := exec.LookPath("objcopy")
	if err != nil {
		t.Skip("needs objcopy")
	}
	dir := t.TempDir()
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, err = io.WriteString(
		w,
		`{"packages":[{"name":"time","version":"0.1.43","source":"crates.io"},{"name":"cc","version":"1.0.0","kind":"build"},{"name":"app","version":"0.1.0","root":true}]}`,
	)
	if err = errors.Join(err, w.Close(), os.WriteFile(filepath.Join(dir, "deps"), packed.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if out, err := exec.CommandContext(t.Context(), objcopy, "--add-section", ".dep-v0="+filepath.Join(dir, "deps"), "/bin/true", program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(read(t, file{name: "bin/app", text: string(text), mode: 0o755})); got != "cargo app 0.1.0 in bin/app\ncargo time 0.1.43 in bin/app\n" {
		t.Errorf("got\n%s", got)
	}
}

func jar(t testing.TB, members map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range members {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestArchivesOfJava(t *testing.T) {
	t.Parallel()
	log4j := jar(t, map[string]string{
		"META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties": "#made\r\nversion=2.14.1\r\ngroupId=org.apache.logging.log4j\r\nartifactId=log4j-core\r\n",
		"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\nImplementation-Version: 2.14.1\r\n",
	})
	app := jar(t, map[string]string{
		"BOOT-INF/lib/log4j-core-2.14.1.jar": log4j,
		"BOOT-INF/lib/guava-31.0.jar": jar(
			t,
			map[string]string{
				"META-INF/MANIFEST.MF": "Bundle-SymbolicName: com.google.com\r\n mon.guava;x=y\r\n",
			},
		),
		"META-INF/MANIFEST.MF": "Implementation-Title: app\nImplementation-Version: 1.5\nImplementation-Vendor-Id: com.example\n",
	})
	want := "maven com.example:app 1.5 in app.jar\nmaven com.google.common:guava 31.0 in app.jar\nmaven org.apache.logging.log4j:log4j-core 2.14.1 in app.jar\n"
	if got := lines(read(t, file{name: "app.jar", text: app})); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	deep := log4j
	for range 20 {
		deep = jar(t, map[string]string{"x-1.0.jar": deep})
	}
	if got := lines(read(t, file{name: "deep.jar", text: deep})); strings.Contains(
		got,
		"log4j",
	) {
		t.Errorf("20 archives within each other were read:\n%s", got)
	}
}

// TestThisMachine holds what is read of this machine against what its dpkg says.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("/var/lib/dpkg/status")
	query, missing := exec.LookPath("dpkg-query")
	if err != nil || missing != nil {
		t.Skip("needs a machine of Debian")
	}
	release, err := os.ReadFile("/usr/lib/os-release")
	if err != nil {
		t.Fatal(err)
	}
	image := packages.Stack([]packages.Layer{read(
		t,
		file{
			name: "var/lib/dpkg/status",
			text: string(text),
		},
		file{name: "usr/lib/os-release", text: string(release)},
	)})
	var got []string
	for _, p := range image.Packages {
		source, version := p.Lookup()
		got = append(
			got,
			strings.Join([]string{p.Name, p.Version, p.Arch, source, version}, " "),
		)
	}
	out, err := exec.CommandContext(
		t.Context(),
		query,
		"-W",
		"-f=${db:Status-Abbrev}|${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n",
	).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if state, what, _ := strings.Cut(strings.TrimSpace(line), "|"); strings.HasSuffix(
			strings.TrimSpace(state),
			"i",
		) {
			want = append(want, what)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(got) < 50 || image.Release.ID == "" {
		t.Errorf("%d packages of %q, dpkg says %d", len(got), image.Release.ID, len(want))
	}
}

func TestLayersThatAreNone(t *testing.T) {
	t.Parallel()
	if _, err := inventory.Read(t.Context(), blob{bytes.NewReader([]byte("this is no tar at all, is it"))}, ""); !errors.Is(
		err,
		errdefs.ErrCorrupt,
	) {
		t.Errorf("no tar: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := inventory.Read(ctx, layer(t, file{name: "x", text: "x"}), ""); !errors.Is(
		err,
		context.Canceled,
	) {
		t.Errorf("stopped: %v", err)
	}
	bomb := read(t, file{name: "zeros", text: strings.Repeat("\x00", 300<<20)})
	if bomb.Partial == "" {
		t.Error("what unpacks to ten thousand times its size was read to its end")
	}
	long := read(t, file{name: strings.Repeat("n/", 3000) + "package.json", text: "{}"})
	if long.Partial == "" {
		t.Error("a name that is too long is not told")
	}
}

func FuzzRead(f *testing.F) {
	text, err := io.ReadAll(
		layer(
			f,
			file{name: "var/lib/dpkg/status", text: status},
			file{
				name: "a.jar",
				text: jar(f, map[string]string{"META-INF/MANIFEST.MF": "A: b"}),
			},
		),
	)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := inventory.Read(t.Context(), blob{bytes.NewReader(text)}, t.TempDir())
		if err == nil {
			packages.Stack([]packages.Layer{l})
		}
	})
}
