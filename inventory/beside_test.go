package inventory_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/inventory"
	"cove/inventory/packages"
	"cove/inventory/sbom"
)

// besideCases are images that are put together of what there is on a machine that
// builds this program: from → where it is in the image. "@module/…" is below a module
// of Go, whose test data other readers of packages have.
var besideCases = []struct {
	name  string
	files map[string]string
	least int // packages
}{
	{"debian", map[string]string{
		"/var/lib/dpkg/status": "var/lib/dpkg/status", "/var/lib/dpkg/info": "var/lib/dpkg/info",
		"/usr/lib/os-release": "usr/lib/os-release", "/usr/lib/python3": "usr/lib/python3", "/usr/share/java": "usr/share/java",
	}, 200},
	{"alpine", map[string]string{
		trivy + "fanal/analyzer/pkg/apk/testdata/apk": "lib/apk/db/installed",
		"@os-release alpine 3.9.0":                    "etc/os-release",
	}, 10},
	{"node", map[string]string{"../.cache/clients/node_modules": "app/node_modules", "../.cache/npm/node_modules": "web/node_modules"}, 60},
	{"python", map[string]string{"@python": "venv/lib/python3/site-packages"}, 10},
	{"go", map[string]string{"../.cache/tools/helm": "usr/bin/helm", "../.cache/tools/crane": "usr/bin/crane", "../bin/build": "usr/bin/build"}, 100},
	{"java", map[string]string{"/usr/share/java": "opt/java", "/usr/share/maven/lib": "opt/maven"}, 30},
	{"java, shaded and nested", map[string]string{trivy + "dependency/parser/java/jar/testdata": "opt/java"}, 10},
	{"rust", map[string]string{trivy + "dependency/parser/rust/binary/testdata/test.elf": "usr/bin/app"}, 2},
	{"centos 7", map[string]string{rpmdbs + "centos7-many/Packages": "var/lib/rpm/Packages", "@os-release centos 7": "etc/os-release"}, 300},
	{"rocky 9", map[string]string{rpmdbs + "rockylinux-9/rpmdb.sqlite": "var/lib/rpm/rpmdb.sqlite", "@os-release rocky 9.0": "etc/os-release"}, 100},
	{"suse", map[string]string{rpmdbs + "sle15-bci/Packages.db": "usr/lib/sysimage/rpm/Packages.db", "@os-release sles 15.4": "etc/os-release"}, 30},
}

const (
	trivy  = "@github.com/aquasecurity/trivy@v0.74.0/pkg/"
	rpmdbs = "@github.com/anchore/go-rpmdb@v0.2.2/pkg/testdata/"
)

// TestBesideSyft holds what is read of images beside what syft reads of them, name,
// version and kind. What differs on purpose is in besideReasons.
func TestBesideSyft(t *testing.T) {
	if os.Getenv("COVE_SOAK") == "" {
		t.Skip("COVE_SOAK=1 compares with syft, which make soak builds")
	}
	syft, err := filepath.Abs("../.cache/tools/syft")
	if _, missing := os.Stat(syft); err != nil || missing != nil {
		t.Fatalf("make soak builds %s: %v", syft, missing)
	}
	for _, c := range besideCases {
		t.Run(c.name, func(t *testing.T) {
			layer := filepath.Join(t.TempDir(), "layer.tar")
			pack(t, layer, c.files)
			ours := listed(t, layer)
			theirs := bySyft(t, syft, layer)
			if len(ours) < c.least {
				t.Errorf("%d packages are too few", len(ours))
			}
			besides(t, "only here", ours, theirs)
			besides(t, "only by syft", theirs, ours)
			t.Logf("%d packages, syft has %d", len(ours), len(theirs))
			for _, form := range []string{sbom.SPDX, sbom.CycloneDX} {
				converted := converts(t, syft, billOf(t, form, layer))
				besides(t, form+" is not read as", ours, converted)
				besides(t, form+" is read as", converted, ours)
			}
		})
	}
}

func besides(t *testing.T, what string, some, others map[string]string) {
	t.Helper()
	n := 0
	for p, where := range some {
		if _, there := others[p]; there || reasonFor(what, p, where) != "" {
			continue
		}
		if n++; n <= 100 {
			t.Errorf("%s: %s in %s", what, p, where)
		}
	}
}

// besideReasons say why a package is on one list alone.
var besideReasons = []struct{ what, begins, in, why string }{
	{"only by syft", "pypi ", "/usr/lib/python3/dist-packages/", "a package of the distribution owns it, which mends it under its own version"},
	{"only by syft", "maven ", "/usr/share/java/", "so here"},
	{"only here", "maven test:nested", "nested.jar", "syft unpacks no archive of an archive of an archive"},
	{"only by syft", "maven org.apache.maven.artifact.versioning.ComparableVersion:", "maven3-artifact", "the class that is begun with is no group"},
	{"only here", "maven maven3-artifact ", "maven3-artifact", "so here"},
	{"only here", "maven javax.inject:", "atinject", "the name of the bundle has the group"},
	{"only by syft", "maven atinject-jsr330-api ", "atinject", "so here"},
	{"only by syft", "rpm gpg-pubkey ", "", "a key, no software"},
}

func reasonFor(what, p, where string) string {
	for _, r := range besideReasons {
		if r.what == what && strings.HasPrefix(p, r.begins) && strings.Contains(where, r.in) {
			return r.why
		}
	}
	return ""
}

// pack writes files into a tar as layers have it.
func pack(t *testing.T, to string, files map[string]string) {
	t.Helper()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := tar.NewWriter(out)
	for from, name := range files {
		if text, is := strings.CutPrefix(from, "@os-release "); is {
			id, version, _ := strings.Cut(text, " ")
			entry(t, w, name, []byte("ID="+id+"\nVERSION_ID="+version+"\n"))
			continue
		}
		tree(t, w, located(t, from), name)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// located is where files are on this machine.
func located(t *testing.T, from string) string {
	t.Helper()
	if from == "@python" {
		out, err := exec.CommandContext(t.Context(), "python3", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").Output()
		if err != nil {
			t.Skipf("needs python3: %v", err)
		}
		return strings.TrimSpace(string(out))
	}
	if module, below, is := strings.Cut(from, "/pkg/"); is && strings.HasPrefix(from, "@") {
		cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module[1:])
		cmd.Dir = os.TempDir()
		out, err := cmd.Output()
		var m struct{ Dir string }
		if err != nil || json.Unmarshal(out, &m) != nil {
			t.Fatalf("%s: %v", module, err)
		}
		return filepath.Join(m.Dir, "pkg", below)
	}
	return from
}

func tree(t *testing.T, w *tar.Writer, from, name string) {
	t.Helper()
	if _, err := os.Stat(from); err != nil {
		t.Skipf("needs %s: %v", from, err)
	}
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() && d.Type() != fs.ModeSymlink {
			return err
		}
		to := name + strings.TrimPrefix(path, from)
		if d.Type() == fs.ModeSymlink {
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return w.WriteHeader(&tar.Header{Name: to, Typeflag: tar.TypeSymlink, Linkname: link, Mode: 0o777})
		}
		text, err := os.ReadFile(path)
		if err == nil {
			entry(t, w, to, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func entry(t *testing.T, w *tar.Writer, name string, text []byte) {
	t.Helper()
	err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o755})
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// listed are the packages of a layer: kind, name and version → where it is.
func listed(t *testing.T, layer string) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, p := range imageOf(t, layer).Packages {
		name := strings.Join(slices.Compact(strings.Split(p.Name, ":")), ":") // as of syft, below
		if p.Type == packages.Go {
			name = strings.ToLower(name)
		}
		list[p.Type+" "+name+" "+p.Version] = p.Path
	}
	return list
}

func imageOf(t *testing.T, layer string) packages.Image {
	t.Helper()
	text, err := os.ReadFile(layer)
	if err != nil {
		t.Fatal(err)
	}
	l, err := inventory.Read(t.Context(), blob{bytes.NewReader(text)}, t.TempDir())
	if err != nil || l.Partial != "" {
		t.Fatalf("%v, partial: %s", err, l.Partial)
	}
	return packages.Stack([]packages.Layer{l})
}

// billOf writes what a layer holds as a file.
func billOf(t *testing.T, form, layer string) string {
	t.Helper()
	text, err := sbom.Write(form, sbom.Subject{
		Name: "team/app", Digest: digest.FromString(layer), Created: time.Unix(1_700_000_000, 0), Tool: "cove-1.0",
	}, imageOf(t, layer))
	name := filepath.Join(t.TempDir(), "bill.json")
	if err == nil {
		err = os.WriteFile(name, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// converts are the packages that syft reads in a bill.
func converts(t *testing.T, syft, bill string) map[string]string {
	t.Helper()
	return ofSyft(t, syft, "convert", bill, "-q", "-o", "json")
}

// TestBillsAreRead: grype finds a vulnerability by either form, of a database that its
// own library made, and trivy reads both.
func TestBillsAreRead(t *testing.T) {
	if os.Getenv("COVE_SOAK") == "" {
		t.Skip("COVE_SOAK=1 asks grype and trivy, which make soak builds")
	}
	tool := func(name string) string {
		path, err := filepath.Abs("../.cache/tools/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(program string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = append(os.Environ(), "GRYPE_DB_AUTO_UPDATE=false", "GRYPE_DB_VALIDATE_AGE=false", "GRYPE_CHECK_FOR_APP_UPDATE=false")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v: %s", filepath.Base(program), args, err, stderr.String())
		}
		return string(out)
	}
	cache := t.TempDir()
	if err := os.MkdirAll(filepath.Join(cache, "6"), 0o700); err != nil {
		t.Fatal(err)
	}
	run(tool("grypedb"), filepath.Join(cache, "6"))
	t.Setenv("GRYPE_DB_CACHE_DIR", cache)
	name := filepath.Join(t.TempDir(), "layer.tar")
	text, err := io.ReadAll(layer(t, file{name: "opt/log4j-core-2.14.1.jar", text: jar(t, map[string]string{
		"META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties": "version=2.14.1\ngroupId=org.apache.logging.log4j\nartifactId=log4j-core\n",
	})}, file{name: "var/lib/dpkg/status", text: status}, file{name: "usr/lib/os-release", text: debian}))
	if err == nil {
		err = os.WriteFile(name, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{sbom.SPDX, sbom.CycloneDX} {
		bill := billOf(t, form, name)
		if out := run(tool("grype"), "sbom:"+bill, "-q", "-o", "json"); !strings.Contains(out, "CVE-2021-44228") {
			t.Errorf("%s: grype finds nothing: %.2000s", form, out)
		}
		out := run(tool("trivy"), "sbom", "-q", "--format", "cyclonedx", bill)
		for _, want := range []string{"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "pkg:deb/debian/libssl3@3.0.11-1~deb12u2", "upstream=openssl"} {
			if plain, _ := url.QueryUnescape(out); !strings.Contains(plain, want) {
				t.Errorf("%s: trivy reads no %s", form, want)
			}
		}
	}
}

// bySyft are the packages that syft finds in an image of one layer, each by its
// package URL.
func bySyft(t *testing.T, syft, layer string) map[string]string {
	t.Helper()
	return ofSyft(t, syft, "scan", "docker-archive:"+archiveOf(t, layer), "-q", "-o", "json")
}

func ofSyft(t *testing.T, syft string, args ...string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), syft, args...)
	cmd.Env = append(os.Environ(), "SYFT_CHECK_FOR_APP_UPDATE=false")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("syft: %v: %s", err, stderr.String())
	}
	var said struct {
		Artifacts []struct {
			PURL      string `json:"purl"`
			Locations []struct{ Path string }
		}
	}
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, a := range said.Artifacts {
		if p := ofPURL(t, a.PURL); p != "" {
			where := ""
			if len(a.Locations) > 0 {
				where = a.Locations[0].Path
			}
			list[p] = where
		}
	}
	return list
}

// ofPURL is a package URL as the lists here write packages.
func ofPURL(t *testing.T, text string) string {
	t.Helper()
	text, query, _ := strings.Cut(strings.TrimPrefix(text, "pkg:"), "?")
	kind, rest, _ := strings.Cut(text, "/")
	name, version, _ := strings.Cut(rest, "@")
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	if version, _ = url.PathUnescape(version); version == "" {
		return "" // nothing can be said of it
	}
	switch kind {
	case packages.Debian, packages.Alpine, packages.RPM:
		parts = parts[len(parts)-1:]
		_, epoch, _ := strings.Cut("&"+query, "&epoch=")
		if epoch, _, _ = strings.Cut(epoch, "&"); epoch != "" && epoch != "0" {
			version = epoch + ":" + version
		}
	case packages.Maven:
		// Where it knows no group it writes the name twice.
		parts = []string{strings.Join(slices.Compact(parts), ":")}
	case packages.PyPI:
		parts[0] = packages.PythonName(parts[0])
	case packages.Go:
		// Of SPDX it reads names in small letters, as package URLs have them.
		version, parts[0] = strings.TrimPrefix(version, "v"), strings.ToLower(strings.Join(parts, "/"))
		parts = parts[:1]
	}
	return kind + " " + strings.Join(parts, "/") + " " + version
}

// archiveOf is an archive, as docker saves it, of an image of one layer.
func archiveOf(t *testing.T, layer string) string {
	t.Helper()
	text, err := os.ReadFile(layer)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(text))
	to := filepath.Join(t.TempDir(), "image.tar")
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := tar.NewWriter(out)
	entry(t, w, "config.json", []byte(config))
	entry(t, w, "layer.tar", text)
	entry(t, w, "manifest.json", []byte(`[{"Config":"config.json","RepoTags":["beside:v1"],"Layers":["layer.tar"]}]`))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}
