package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// binaries are what the stories drive, by the folder under cmd.
var binaries = map[string]string{
	"cove": "cove", "registry": "registry", "build": "build", "run": "run", "runtime": "cove-runtime",
}

func buildAll(dir string) error {
	for pkg, name := range binaries {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, name), "cove/cmd/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

func TestStories(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: the stories that make containers are SKIPPED")
	}
	bin := t.TempDir()
	if err := buildAll(bin); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Deadline:            time.Now().Add(10 * time.Minute),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"baseimage":    baseImage,
			"code":         exitCode,
			"eventually":   eventually,
			"registry":     registryCommand,
			"nothing-left": nothingLeft,
			"corrupt":      corrupt,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
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
	cmd := exec.Command("sh", "-c", `ids=$(cove ps -aq) && [ -z "$ids" ] || cove rm -f $ids`)
	cmd.Env = env.Vars
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cleaning up after a story: %v: %s\n", err, out)
	}
}

func condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Geteuid() == 0, nil
	case "busybox":
		_, err := exec.LookPath("busybox")
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}
