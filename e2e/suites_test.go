package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/distribution/distributiontest"
)

// suite is the tests of a client's own, which are run as they are, in a copy of its module.
type suite struct {
	// name is that of the file below testdata/clients which says what fails, and why.
	name string
	// module is a directory of a module, whose packages below dir are run.
	module, dir string
	packages    []string
	args        []string
	env         []string
}

// outcome is how the tests of a suite ended, by their names.
type outcome map[string]string

// standIn is an image that suites want, by a target of testdata/clients/standins.
var standIns = map[string]string{
	"alpine": "library/alpine:latest library/alpine:3.12 library/alpine:3.13 library/alpine:3.13.12 library/alpine:3.14 library/alpine:3.15 " +
		"library/alpine:3.23 library/busybox:latest library/busybox:1.35.0",
	"bash": "library/bash:latest library/bash:5.2.26 library/debian:latest", "hello-world": "library/hello-world:latest",
	"curl": "alpine/curl:latest", "socat": "alpine/socat:latest", "sshd": "testcontainers/sshd:1.4.0",
	"nginx": "library/nginx:latest library/nginx:alpine library/nginx:mainline", "delayed-nginx": "menedev/delayed-nginx:1.15.2",
	"redis": "library/redis:latest library/redis:5.0-alpine", "mysql": "library/mysql:8.0.36 library/mariadb:latest",
	"registry": "library/registry:2 library/registry:3", "golang": "library/golang:1.26-alpine",
}

// standInRegistry is a registry with the stand-ins, which is asked as a mirror of docker's own.
// compiled is a directory of programs that the one for golang has.
func standInRegistry(t *testing.T, compiled string) string {
	t.Helper()
	base, err := debianBase()
	if err != nil {
		t.Fatal(err)
	}
	registry := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	k := newShell(t)
	k.do("cove import " + base + " debian")
	for target, names := range standIns {
		k.do("cove build -q --target " + target + " --build-context compiled=" + compiled + " -t " + target + "-standin " + abs(t, "testdata/clients/standins"))
		for name := range strings.FieldsSeq(names) {
			k.do("cove tag " + target + "-standin " + registry + "/" + name + " && cove push -q " + registry + "/" + name)
		}
	}
	return registry
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// moduleDir is where a module is, which is fetched if it is not here.
func moduleDir(t *testing.T, in, module string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = in
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// copied is a copy of a module that its tests may write to.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "module")
	err := os.CopyFS(to, os.DirFS(dir))
	if err == nil {
		err = filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Type()&fs.ModeSymlink != 0 {
				return err
			}
			return os.Chmod(path, cmp.Or(map[bool]fs.FileMode{true: 0o755}[d.IsDir()], 0o644))
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// expected are the tests that fail, and why: "NAME: REASON" a line.
func (u suite) expected(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/clients/" + u.name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, why, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, "#") {
			out[name] = why
		}
	}
	return out
}

// judge counts, and reports what failed without a reason.
func (u suite) judge(t *testing.T, got outcome, said map[string]string) {
	t.Helper()
	count := map[string]int{}
	why := u.expected(t)
	for _, name := range slices.Sorted(maps.Keys(got)) {
		how := got[name]
		switch reason, known := why[name]; {
		case how == "fail" && !known:
			t.Errorf("%s fails:\n%.8000s", name, said[name])
		case how == "fail":
			how = "known"
			t.Logf("%s fails: %s", name, reason)
		case how == "pass" && known:
			t.Logf("%s passes, and may be taken out of testdata/clients/%s.txt", name, u.name)
		}
		count[how]++
	}
	t.Logf("%s: %d passed, %d failed, %d failed for a reason that is known, %d skipped",
		u.name, count["pass"], count["fail"], count["known"], count["skip"])
	if count["pass"] == 0 {
		t.Error("nothing passed")
	}
}

// goTests runs a suite that is in Go against a served cove.
func (u suite) goTests(t *testing.T, s served) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"test", "-json", "-count=1", "-p=1"}, u.args...), u.packages...)...)
	cmd.Dir = filepath.Join(u.module, u.dir)
	home := t.TempDir()
	cmd.Env = append(s.env, "GOFLAGS=", "XDG_RUNTIME_DIR=", "HOME="+home)
	for _, key := range []string{"GOCACHE", "GOPATH", "GOMODCACHE", "GOPROXY"} {
		out, err := exec.CommandContext(ctx, "go", "env", key).Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, key+"="+strings.TrimSpace(string(out)))
	}
	cmd.Env = append(cmd.Env, u.env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if dir := os.Getenv("COVE_SUITE_LOG"); dir != "" { // for whoever looks while it runs
		log, err := os.Create(filepath.Join(dir, u.name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stdout = io.MultiWriter(&out, log)
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, &errs)
	}
	got, said := outcome{}, map[string]string{}
	for lines := bufio.NewReader(bytes.NewReader(out.Bytes())); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var e struct{ Action, Package, Test, Output string }
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		name, _, sub := strings.Cut(e.Test, "/")
		switch {
		case e.Action == "output":
			said[cmp.Or(name, e.Package)] += e.Output
		case e.Test == "" && e.Action == "fail" && !anyFailed(got):
			got[e.Package] = e.Action // it was not built, or broke off
		case e.Test != "" && !sub && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
			got[name] = e.Action
		}
	}
	if len(got) == 0 {
		t.Fatalf("no test ran:\n%s\n%s", &errs, &out)
	}
	u.judge(t, got, said)
}

func anyFailed(o outcome) bool { return slices.Contains(slices.Collect(maps.Values(o)), "fail") }

// onlySoaked is for suites: they take a while, and images that are made of packages.
func onlySoaked(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv("COVE_SOAK") == "" {
		t.Skip("needs root, and installs packages: make soak")
	}
}

// compile compiles a program of a suite for the stand-in of golang.
func compile(t *testing.T, to, dir string, files ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", to}, files...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// digestsOf is what images are pinned by, which stand-ins cannot have.
var digestsOf = regexp.MustCompile(`(?m)^(FROM \S+)@sha256:[0-9a-f]{64}`)

// TestTestcontainersOwnTests runs those of testcontainers-go, with a reaper.
func TestTestcontainersOwnTests(t *testing.T) {
	onlySoaked(t)
	module := copied(t, moduleDir(t, "clients", "github.com/testcontainers/testcontainers-go"))
	dockerfiles, err := filepath.Glob(filepath.Join(module, "testdata/*Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range dockerfiles {
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, digestsOf.ReplaceAll(text, []byte("$1")), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	compiled := t.TempDir()
	compile(t, filepath.Join(compiled, "echoserver"), filepath.Join(module, "testdata"), "echoserver.go")
	registry := standInRegistry(t, compiled)
	s := serveAPI(t, "COVE_REGISTRY_MIRRORS=http://"+registry)
	s.reaper(t)
	suite{
		name: "testcontainers", module: module, packages: []string{".", "./exec/...", "./wait/...", "./network/...", "./internal/...", "./log/..."},
		args: []string{"-timeout=40m"},
	}.goTests(t, s)
}

// reaper gives a served cove the image of testcontainers' reaper.
func (s served) reaper(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	compile(t, filepath.Join(dir, "reaper"), "clients", "./reaper")
	text := "FROM scratch\nCOPY reaper /reaper\nENTRYPOINT [\"/reaper\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(moduleDir(t, "clients", "github.com/testcontainers/testcontainers-go"), "internal/config/config.go"))
	if err != nil {
		t.Fatal(err)
	}
	tag := regexp.MustCompile(`testcontainers/ryuk:[0-9.]+`).Find(source)
	if out, err := s.run(t.Context(), "", "cove build -q -t "+string(tag)+" "+dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestComposesOwnTests runs the end-to-end tests of compose with its plugin.
func TestComposesOwnTests(t *testing.T) {
	onlySoaked(t)
	cli := docker(t, "28.2")
	module := copied(t, moduleDir(t, "../cmd/cove-compose", "github.com/docker/compose/v2"))
	registry := standInRegistry(t, t.TempDir())
	s := serveAPI(t, "COVE_REGISTRY_MIRRORS=http://"+registry)
	home := t.TempDir()
	for _, dir := range []string{"bin", ".docker/cli-plugins"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tools := filepath.Dir(cli)
	for link, to := range map[string]string{"bin/docker": cli, ".docker/cli-plugins/docker-buildx": filepath.Join(tools, "buildx"), "bin/docker-compose": filepath.Join(tools, "docker-compose")} {
		if err := os.Symlink(to, filepath.Join(home, link)); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{
		"HOME=" + home, "DOCKER_CONFIG=" + filepath.Join(home, ".docker"), "DOCKER_CONTEXT=cove", "DOCKER_HOST=", "CI=", "COMPOSE_E2E_BIN_PATH=" + filepath.Join(home, "bin/docker-compose"),
		"PATH=" + filepath.Join(home, "bin") + ":" + os.Getenv("PATH"),
	}
	// The tests copy a configuration that is not there, and leave one that is.
	if err := os.WriteFile(filepath.Join(home, ".docker/config.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	create := exec.CommandContext(t.Context(), cli, "context", "create", "cove", "--docker", "host="+s.host)
	create.Env = append(s.env, env...)
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	suite{name: "compose", module: module, dir: "pkg/e2e", packages: []string{"."}, args: []string{"-timeout=50m", "-parallel=4"}, env: env}.goTests(t, s)
}
