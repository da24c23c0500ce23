package buildcmd

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// dockersFlags are all flags of docker build 28 and of docker buildx build 0.38, with a
// value that means something; "" for a switch. Those in refused are errors that name them.
var dockersFlags = map[string]string{
	"add-host": "h:10.0.0.1", "allow": "network.host", "annotation": "k=v", "attest": "type=sbom,disabled=true",
	"build-arg": "A=1", "build-context": "n=.", "builder": "default", "cache-from": "user/app", "cache-to": "type=inline",
	"call": "check", "cgroup-parent": "/p", "check": "", "compress": "", "cpu-period": "100000", "cpu-quota": "50000",
	"cpu-shares": "2", "cpuset-cpus": "0", "cpuset-mems": "0", "disable-content-trust": "", "file": "D", "force-rm": "",
	"iidfile": "f", "isolation": "default", "label": "k=v", "load": "", "memory": "64m", "memory-swap": "128m",
	"metadata-file": "f", "network": "none", "no-cache": "", "no-cache-filter": "s", "output": "type=cacheonly",
	"platform": "linux/arm64", "progress": "none", "provenance": "false", "pull": "", "push": "", "quiet": "",
	"resource": "memory=2g", "rm": "", "sbom": "false", "secret": "id=FROM_HERE", "shm-size": "1m", "ssh": "", "tag": "a",
	"target": "t", "ulimit": "nofile=5",
	"policy": "filename=p", "security-opt": "seccomp=x", "squash": "",
}

var refusedFlags = map[string]bool{"policy": true, "security-opt": true}

func newFlags(f *buildFlags) *pflag.FlagSet {
	fs := pflag.NewFlagSet("build", pflag.ContinueOnError)
	f.register(fs)
	return fs
}

// TestEveryFlagOfDocker works or is refused by name.
func TestEveryFlagOfDocker(t *testing.T) {
	t.Setenv("FROM_HERE", "1")
	for name, value := range dockersFlags {
		if name == "ssh" {
			continue // needs an agent: TestAgents has it
		}
		arg := "--" + name
		if value != "" {
			arg += "=" + value
		}
		var f buildFlags
		if err := newFlags(&f).Parse([]string{arg}); err != nil {
			t.Errorf("%s: %v", arg, err)
			continue
		}
		_, err := f.options(t.Context(), &app.App{}, ".")
		switch {
		case refusedFlags[name] && (!errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "--"+name)):
			t.Errorf("%s is not refused by name: %v", arg, err)
		case !refusedFlags[name] && name != "annotation" && err != nil:
			t.Errorf("%s: %v", arg, err)
		}
	}
	for _, arg := range []string{
		"--isolation=hyperv", "--builder=remote", "--rm=false", "--disable-content-trust=false", "--compression=lzma",
		"--resource=nonsense=1", "--resource=memory", "--provenance=nonsense", "--attest=type=x",
	} {
		var f buildFlags
		if err := newFlags(&f).Parse([]string{arg}); err != nil {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if _, err := f.options(t.Context(), &app.App{}, "."); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

// TestGitHub: in a job of GitHub Actions the progress is a group, and what is wrong at a
// line is told in the form that the job's page shows there.
func TestGitHub(t *testing.T) {
	var errOut bytes.Buffer
	a := &app.App{Err: &errOut}
	at := builds.Location{File: "a,b:Dockerfile", Line: 3, End: 4}
	failed := &builds.Error{Location: at, Err: errors.New("100% wrong\nhere")}
	warning := builds.Warning{Location: at, Rule: "StageNameCasing", Text: "w"}
	tell := func() string {
		errOut.Reset()
		end := group(a, "Building .")
		annotate(a, failed)
		annotateWarnings(a, []builds.Warning{warning})
		end()
		return errOut.String()
	}
	t.Setenv("GITHUB_ACTIONS", "")
	if got := tell(); got != "" {
		t.Errorf("elsewhere it tells %q", got)
	}
	t.Setenv("GITHUB_ACTIONS", "true")
	want := "::group::Building .\n" +
		"::error file=a%2Cb%3ADockerfile,line=3,endLine=4,title=build::100%25 wrong%0Ahere\n" +
		"::warning file=a%2Cb%3ADockerfile,line=3,endLine=4,title=StageNameCasing::w\n" +
		"::endgroup::\n"
	if got := tell(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
