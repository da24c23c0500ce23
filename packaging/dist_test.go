package packaging_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const version = "v1.2.3"

// dist is what dist.sh made for this machine's architecture.
type dist struct {
	dir      string // of the files that are given out
	unpacked string // the tarball
}

func makeDist(t *testing.T) dist {
	t.Helper()
	tools, err := filepath.Abs("../.cache/tools")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"nfpm", "cyclonedx-gomod"} {
		if _, err := os.Stat(filepath.Join(tools, tool)); err != nil {
			t.Skipf("make deps-dist installs what this needs: %v", err)
		}
	}
	d := dist{dir: filepath.Join(t.TempDir(), "dist"), unpacked: t.TempDir()}
	cmd := exec.CommandContext(t.Context(), "./dist.sh")
	cmd.Env = append(os.Environ(), "VERSION="+version, "OUT="+d.dir, "ARCHES="+runtime.GOARCH,
		"LDFLAGS=-s -w -X cove/internal/buildinfo.version="+version,
		"BINARIES=./cmd/cove ./cmd/registry ./cmd/build ./cmd/run ./cmd/cove-runtime ./cmd/cove-api",
		"NFPM="+filepath.Join(tools, "nfpm"), "CYCLONEDX="+filepath.Join(tools, "cyclonedx-gomod"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("dist.sh: %v\n%s", err, out)
	}
	name := "cove-" + version + "-linux-" + runtime.GOARCH
	run(t, "", "tar", "-C", d.unpacked, "-xzf", filepath.Join(d.dir, name+".tar.gz"))
	d.unpacked = filepath.Join(d.unpacked, name)
	return d
}

// run runs a command and returns what it printed.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestDist(t *testing.T) {
	t.Parallel()
	d := makeDist(t)
	t.Run("sums", func(t *testing.T) { run(t, d.dir, "sha256sum", "--check", "--strict", "SHA256SUMS") })
	t.Run("install", d.install)
	t.Run("packages", d.packages)
	t.Run("units", d.units)
	t.Run("inside", d.inside)
	t.Run("pages", d.pages)
	t.Run("image", d.image)
}

// install installs below a folder, twice, and removes it.
func (d dist) install(t *testing.T) {
	root := t.TempDir()
	install := filepath.Join(d.unpacked, "install.sh")
	run(t, "/", install, "--root", root)
	for _, args := range [][]string{
		{"cove", "--version"}, {"cove", "registry", "--version"}, {"registry", "--version"}, {"cove-runtime", "--version"},
	} {
		if got := run(t, "/", filepath.Join(root, "usr/bin", args[0]), args[1:]...); !strings.Contains(got, version) {
			t.Errorf("%q says %q", args, got)
		}
	}
	run(t, "/", filepath.Join(root, "usr/bin/cove"), "build", "--help") // which another binary answers
	config := filepath.Join(root, "etc/cove/registry.yaml")
	serveOnce(t, root, config)
	if err := os.WriteFile(config, []byte("listen: \":443\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "/", install, "--root="+root)
	if got, err := os.ReadFile(config); err != nil || string(got) != "listen: \":443\"\n" {
		t.Errorf("an upgrade changed what an administrator wrote: %q, %v", got, err)
	}
	run(t, "/", install, "--uninstall", "--root", root)
	if left := files(t, root); !slices.Equal(left, []string{"etc/cove/registry.yaml"}) {
		t.Errorf("after --uninstall there are %q", left)
	}
}

// serveOnce starts the installed registry with the configuration it comes with.
func serveOnce(t *testing.T, root, config string) {
	t.Helper()
	state := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "usr/bin/registry"), "serve", "--config", config,
		"--root", filepath.Join(state, "root"), "--listen", "127.0.0.1:0", "--address-file", filepath.Join(state, "address"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for ctx.Err() == nil {
		if _, err := os.Stat(filepath.Join(state, "address")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || ctx.Err() != nil {
		t.Errorf("serving with the configuration it comes with: %v, %v", err, ctx.Err())
	}
}

// packages holds the .deb and the .rpm against the tarball.
func (d dist) packages(t *testing.T) {
	want := files(t, filepath.Join(d.unpacked, "files"))
	for pattern, extract := range map[string][]string{
		"*.deb": {"dpkg-deb", "-x"},
		"*.rpm": {"bsdtar", "-xf"},
	} {
		found, err := filepath.Glob(filepath.Join(d.dir, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		to := t.TempDir()
		args := append(slices.Clone(extract[1:]), found[0])
		if extract[0] == "dpkg-deb" {
			args = append(args, to)
		}
		run(t, to, extract[0], args...)
		if got := files(t, to); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, the tarball %q", pattern, got, want)
		}
		run(t, "", "diff", "-r", "--no-dereference", filepath.Join(d.unpacked, "files"), to)
	}
}

// files are the paths below a folder of all that is no folder.
func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// units asks systemd whether it understands them, and how confined the
// registry is: 10 is not at all.
func (d dist) units(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("needs systemd-analyze")
	}
	dir := t.TempDir()
	bin := filepath.Join(d.unpacked, "files/usr/bin")
	names := []string{
		"cove-registry.service", "cove-registry.socket", "cove-boot.service", "cove-api.service", "cove-api.socket",
	}
	for _, name := range names {
		unit, err := os.ReadFile(filepath.Join(d.unpacked, "files/usr/lib/systemd/system", name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(unit), "=/usr/bin/", "="+bin+"/")
		text = strings.ReplaceAll(text, "Documentation=man:", "# man:")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := []string{"verify"}
	for _, name := range names {
		verify = append(verify, "./"+name)
	}
	run(t, dir, "systemd-analyze", verify...)
	run(t, dir, "systemd-analyze", "security", "--offline=true", "--threshold=20", "./cove-registry.service")
}

// inside reads the list of what is in a binary.
func (d dist) inside(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(d.unpacked, "files/usr/share/doc/cove/registry.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		BOMFormat  string
		Components []struct{ Name string }
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/google/go-containerregistry", "modernc.org/sqlite", "std"} {
		if !slices.ContainsFunc(list.Components, func(c struct{ Name string }) bool { return c.Name == want }) {
			t.Errorf("%s lists no %s among %d", list.BOMFormat, want, len(list.Components))
		}
	}
}

// pages looks at the man pages: there for what people type, and the same
// wherever they are made.
func (d dist) pages(t *testing.T) {
	share := filepath.Join(d.unpacked, "files/usr/share")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cove", "cove-run", "cove-build", "cove-network-create", "registry-serve", "registry-cert-init"} {
		page := run(t, "", "zcat", filepath.Join(share, "man/man1", name+".1.gz"))
		if !strings.Contains(page, ".SH NAME") || !strings.Contains(page, version) || strings.Contains(page, filepath.Dir(here)) {
			t.Errorf("%s: %.300s", name, page)
		}
	}
	if got := run(t, "", filepath.Join(d.unpacked, "files/usr/lib/cove/cove-compose"), "version", "--short"); !strings.HasPrefix(got, "2.") {
		t.Errorf("compose is of version %q", got)
	}
	run(t, "", "bash", "-n", filepath.Join(share, "bash-completion/completions/cove"))
}

// image runs the registry from the image that cove built of it.
func (d dist) image(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: runs a container")
	}
	root := filepath.Join(t.TempDir(), "state")
	cove := filepath.Join(d.unpacked, "files/usr/bin/cove")
	t.Cleanup(func() {
		_ = exec.Command(cove, "--root", root, "system", "prune", "-af", "--volumes").Run()
	})
	loaded := run(t, "", cove, "--root", root, "load", "-q", "-i", filepath.Join(d.dir, "cove-registry-"+version+".oci.tar"))
	image := strings.TrimSpace(loaded[strings.LastIndex(loaded, ": ")+2:])
	got := run(t, "", cove, "--root", root, "run", "--rm", "--network", "none", image, "--version")
	if !strings.Contains(got, version) {
		t.Errorf("%s says %q", image, got)
	}
}
