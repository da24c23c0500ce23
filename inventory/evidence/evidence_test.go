package evidence_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/inventory/evidence"
	"cove/inventory/packages"
)

func body(text string) evidence.Body {
	return evidence.Body{ReaderAt: strings.NewReader(text), Size: int64(len(text))}
}

// TestWhichFilesSaySomething holds the paths that are looked into.
func TestWhichFilesSaySomething(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"var/lib/dpkg/status":                     true,
		"var/lib/dpkg/status-old":                 false,
		"var/lib/dpkg/status.d/base":              true,
		"var/lib/dpkg/info/libc6:amd64.list":      true,
		"var/lib/dpkg/info/libc6:amd64.md5sums":   false,
		"lib/apk/db/installed":                    true,
		"usr/lib/apk/db/installed":                true,
		"etc/os-release":                          true,
		"usr/lib/os-release":                      true,
		"app/package.json":                        false,
		"app/node_modules/x/package.json":         true,
		"node_modules/x/package.json":             true,
		"app/package-lock.json":                   true,
		"app/node_modules/x/package-lock.json":    false,
		"usr/lib/python3/x-1.dist-info/METADATA":  true,
		"usr/lib/python3/x-1.dist-info/RECORD":    false,
		"usr/lib/python3/x-1.egg-info/PKG-INFO":   true,
		"usr/lib/python3/x-1.egg-info":            true,
		"usr/lib/python3/x.egg/EGG-INFO/PKG-INFO": true,
		"METADATA":        false,
		"opt/app.jar":     true,
		"opt/app.WAR":     true,
		"opt/app.jar.txt": false,
		"bin/sh":          false,
	} {
		if got := evidence.ByName(name) != nil; got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for head, want := range map[string]bool{"\x7fELF": true, "\x7fEL": false, "": false, "#!/b": false} {
		if got := evidence.ByHead([]byte(head)) != nil; got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
}

// said are the packages that a file says, one a line.
func said(t testing.TB, name, text string) string {
	t.Helper()
	read := evidence.ByName(name)
	if read == nil {
		read = evidence.ByHead([]byte(text)[:min(len(text), evidence.HeadBytes)])
	}
	if read == nil {
		t.Fatalf("%s says nothing by its name", name)
	}
	var b strings.Builder
	for _, p := range read(name, body(text)).Packages {
		fmt.Fprintf(&b, "%s %s %s %s\n", p.Type, p.Name, p.Version, p.License)
	}
	return b.String()
}

func TestOddFiles(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 600)
	for what, tc := range map[string]struct{ name, text, want string }{
		"dpkg without an end": {"var/lib/dpkg/status", "Package: a\nVersion: 1", "deb a 1 \n"},
		"dpkg without a version": {
			"var/lib/dpkg/status", "Package: a\n\nPackage: b\nVersion: 2\n\n\n\n",
			"deb b 2 \n",
		},
		"dpkg, half installed": {
			"var/lib/dpkg/status",
			"Package: a\nStatus: install ok half-installed\nVersion: 1\n", "",
		},
		"a name that is too long": {"var/lib/dpkg/status", "Package: " + long + "\nVersion: 1\n", ""},
		"a NUL in a name":         {"var/lib/dpkg/status", "Package: a\x00b\nVersion: 1\n", ""},
		"apk":                     {"lib/apk/db/installed", "P:a\nV:1-r0\nL:MIT AND  BSD\n", "apk a 1-r0 MIT AND BSD\n"},
		"npm, a licence of old": {
			"node_modules/x/package.json",
			`{"name":"x","version":"1.0.0","license":{"type":"MIT","url":"u"}}`, "npm x 1.0.0 MIT\n",
		},
		"npm, an odd licence": {
			"node_modules/x/package.json",
			`{"name":"x","version":"1.0.0","license":["MIT"]}`, "npm x 1.0.0 \n",
		},
		"npm, a number for a name": {"node_modules/x/package.json", `{"name":7,"version":"1.0.0"}`, ""},
		"npm, an alias": {
			"package-lock.json",
			`{"packages":{"node_modules/y":{"name":"x","version":"1.0.0"}}}`, "npm x 1.0.0 \n",
		},
		"npm, nested in others": {
			"package-lock.json",
			`{"packages":{"node_modules/a/node_modules/@b/c":{"version":"1.0.0","license":"ISC"}}}`,
			"npm @b/c 1.0.0 ISC\n",
		},
		"python, the text of a licence": {
			"x.dist-info/METADATA",
			"Name: X.y_z\nVersion: 1\nLicense: " + long + "\n\n", "pypi x-y-z 1 \n",
		},
		"python, an expression": {
			"x.dist-info/METADATA",
			"Name: x\nVersion: 1\nLicense: no\nLicense-Expression: MIT\n", "pypi x 1 MIT\n",
		},
		"python, no head":     {"x.egg-info", "hello", ""},
		"python, an odd head": {"x.dist-info/METADATA", "Name x\n: y\nVersion: 1\n\n", ""},
	} {
		if got := said(t, tc.name, tc.text); got != tc.want {
			t.Errorf("%s: %q, want %q", what, got, tc.want)
		}
	}
}

func archive(t testing.TB, members map[string]string) string {
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

// TestWhatAnArchiveOfJavaIs: by a pom, or else by its name and its manifest.
func TestWhatAnArchiveOfJavaIs(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		name    string
		members map[string]string
		want    string
	}{
		"by its name":       {"slf4j-api-1.7.36.jar", map[string]string{"a": "b"}, "maven slf4j-api 1.7.36 \n"},
		"nothing to go by":  {"app.jar", map[string]string{"a": "b"}, ""},
		"a placeholder":     {"app.jar", map[string]string{"META-INF/MANIFEST.MF": "Implementation-Version: ${v}\n"}, ""},
		"the specification": {"app.jar", map[string]string{"META-INF/MANIFEST.MF": "Specification-Version: 3.1\n"}, "maven app 3.1 \n"},
		"the bundle's name": {"commons-io-2.11.0.jar", map[string]string{
			"META-INF/MANIFEST.MF": "Bundle-SymbolicName: org.apache.commons.commons-io\n",
		}, "maven org.apache.commons:commons-io 2.11.0 \n"},
		"a number of Debian's": {"jsr305-0.1~+svn49.jar", map[string]string{"a": "b"}, "maven jsr305 0.1~+svn49 \n"},
		"a number in the bundle's": {"geronimo-annotation-1.3-spec.jar", map[string]string{
			"META-INF/MANIFEST.MF": "Bundle-SymbolicName: org.apache.geronimo.specs.geronimo-annotation_1.3_spec\n",
		}, "maven org.apache.geronimo.specs:geronimo-annotation 1.3-spec \n"},
		"named by group and artifact": {"io.quarkus.gizmo.gizmo-1.1.jar", map[string]string{
			"META-INF/maven/g/a/pom.properties": "groupId=io.quarkus.gizmo\nartifactId=gizmo\nversion=1.1\n",
		}, "maven io.quarkus.gizmo:gizmo 1.1 \n"},
		"named with dashes": {"geronimo-interceptor-3.0-spec.jar", map[string]string{
			"META-INF/maven/g/a/pom.properties": "groupId=g\nartifactId=geronimo-interceptor_3.0_spec\nversion=1.0.1\n",
		}, "maven g:geronimo-interceptor_3.0_spec 1.0.1 \n"},
		"another's pom within": {"app-1.0.jar", map[string]string{
			"META-INF/maven/g/a/pom.properties": "groupId=g\nartifactId=a\nversion=2\n",
		}, "maven g:a 2 \nmaven app 1.0 \n"},
	} {
		if got := said(t, tc.name, archive(t, tc.members)); got != tc.want {
			t.Errorf("%s: %q, want %q", what, got, tc.want)
		}
	}
}

// TestWhatPackagesOwn: only files that could say something themselves are noted.
func TestWhatPackagesOwn(t *testing.T) {
	t.Parallel()
	name := "var/lib/dpkg/info/python3-six.list"
	f := evidence.ByName(
		name,
	)(
		name,
		body(
			"/.\n/usr/bin/six\n/usr/share/doc/six\n/usr/lib/python3/six-1.dist-info/METADATA\n",
		),
	)
	want := []uint64{
		packages.Hash(
			"usr/bin/six",
		), packages.Hash("usr/lib/python3/six-1.dist-info/METADATA"),
	}
	if len(f.Owned) != len(want) || f.Owned[0] != want[0] || f.Owned[1] != want[1] {
		t.Errorf("%v, want %v", f.Owned, want)
	}
}

// TestProgramsThatAreBroken cuts a program at many places: none may take the reader
// down.
func TestProgramsThatAreBroken(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Clean(self))
	if err != nil {
		t.Fatal(err)
	}
	read := evidence.ByHead(text)
	for i := range 40 {
		cut := bytes.Clone(text[:len(text)/(i+1)])
		for j := 5; j < min(len(cut), 2000); j += 7 + i {
			cut[j] ^= 0xff
		}
		read(
			"bin/x",
			evidence.Body{ReaderAt: bytes.NewReader(cut), Size: int64(len(cut))},
		)
	}
}

func FuzzFiles(f *testing.F) {
	names := []string{
		"var/lib/dpkg/status", "lib/apk/db/installed", "node_modules/x/package.json", "package-lock.json",
		"x.dist-info/METADATA", "x.jar", "etc/os-release", "var/lib/dpkg/info/x.list", "bin/x",
	}
	for i := range names {
		f.Add(i, "Package: a\nVersion: 1\n")
	}
	f.Add(5, archive(f, map[string]string{"META-INF/MANIFEST.MF": "a: b\n c\n"}))
	f.Fuzz(func(_ *testing.T, i int, text string) {
		name := names[uint(i)%uint(len(names))]
		if read := evidence.ByName(name); read != nil {
			read(name, body(text))
			return
		}
		evidence.ByHead([]byte("\x7fELF"))(name, body(text))
	})
}
