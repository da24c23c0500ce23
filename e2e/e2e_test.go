package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// binaries are what the stories drive, by the folder under cmd.
var binaries = map[string]string{
	"cove": "cove", "registry": "registry", "build": "build", "run": "run", "cove-runtime": "cove-runtime",
	"cove-api": "cove-api",
}

// built is the directory of all binaries, compiled once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cove-e2e-")
	if err != nil {
		return "", err
	}
	// For the accounts of a story, too.
	return dir, errors.Join(os.Chmod(dir, 0o755), buildAll(dir))
})

func binDir(t *testing.T) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := built(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func buildAll(dir string) error {
	for pkg, name := range binaries {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, name), "cove/cmd/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "cove-compose"), ".")
	cmd.Dir, cmd.Env = "../cmd/cove-compose", append(os.Environ(), "CGO_ENABLED=0") // a module of its own
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building cove-compose: %w\n%s", err, out)
	}
	return nil
}

func TestStories(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: the stories that make containers are SKIPPED")
	}
	stories(t, "testdata")
}

// TestFixtures takes applications as people have them the whole road, from Debian's packages
// and those of npm, pip and Go: built, pushed, pulled where nothing is, run and asked.
// COVE_SOAK=1 takes those whose packages are many, too.
func TestFixtures(t *testing.T) { stories(t, "testdata/fixtures") }

// patience is for all stories of a directory: packages that are many, and compilers, take a
// machine that has other work a while.
func patience() time.Duration {
	if os.Getenv("COVE_SOAK") != "" {
		return 40 * time.Minute
	}
	return 10 * time.Minute
}

// stories runs those of a directory.
func stories(t *testing.T, dir string) {
	t.Helper()
	bin := binDir(t)
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Deadline:            time.Now().Add(patience()),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"baseimage":    baseImage,
			"code":         exitCode,
			"eventually":   eventually,
			"registry":     registryCommand,
			"nothing-left": nothingLeft,
			"corrupt":      corrupt,
			"account":      account,
			"debian":       debian,
			"answers":      answers,
			"machine":      copyMachine,
			"login":        login,
		},
		Setup: func(env *testscript.Env) error {
			tools, err := filepath.Abs("../.cache/tools")
			if err != nil {
				return err
			}
			env.Setenv("PATH", strings.Join([]string{bin, os.Getenv("PATH"), tools}, string(os.PathListSeparator)))
			env.Setenv("BIN", bin) // cove's own programs alone
			env.Setenv("COVE_ROOT", filepath.Join(env.WorkDir, "state"))
			env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, "docker"))
			env.Setenv("COVE_CERTS_DIR", filepath.Join(env.WorkDir, "certs.d"))
			fixtures, err := filepath.Abs("../fixtures")
			env.Setenv("FIXTURES", fixtures)
			env.Defer(func() { removeContainers(env) })
			return err
		},
	})
}

// removeContainers ends what a failed story left running.
func removeContainers(env *testscript.Env) {
	cmd := exec.Command("sh", "-c", `ids=$(cove ps -aq) && { [ -z "$ids" ] || cove rm -f $ids; } && cove network prune`)
	cmd.Env = env.Vars
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cleaning up after a story: %v: %s\n", err, out)
	}
}

func condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Geteuid() == 0, nil
	case "soak":
		return os.Getenv("COVE_SOAK") != "", nil
	case "busybox":
		_, err := exec.LookPath("busybox")
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}
