package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func shell(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

// TestRun holds what a hook is given: state, arguments, environment, directory.
func TestRun(t *testing.T) {
	t.Parallel()
	bundle := t.TempDir()
	list := []specs.Hook{shell("cat > state; pwd > pwd; env > env"), shell("echo second > second")}
	st := specs.State{ID: "x", Bundle: bundle, Status: specs.StateCreating, Pid: 7}
	if err := Run(t.Context(), "prestart", list, st); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(bundle, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	var got specs.State
	if err := json.Unmarshal([]byte(read("state")), &got); err != nil || got.ID != "x" || got.Pid != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	if read("pwd") != bundle || strings.Contains(read("env"), "HOME=") || read("second") != "second" {
		t.Errorf("%q %q", read("pwd"), read("env"))
	}
}

// TestErrors holds what is said of a hook that fails, and that no other follows.
func TestErrors(t *testing.T) {
	t.Parallel()
	second := 1
	late := shell("sleep 100 & sleep 100; true")
	late.Timeout = &second
	for says, hook := range map[string]specs.Hook{
		"error running poststart hook #0: /bin/sh: exit code 3: why":                  shell("echo why; exit 3"),
		"error running poststart hook #0: /bin/sh: killed by SIGTERM":                 shell("kill $$"),
		"error running poststart hook #0: /no/such: fork/exec /no/such":               {Path: "/no/such"},
		"error running poststart hook #0: /bin/sh: it did not end within its timeout": late,
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			after := filepath.Join(t.TempDir(), "after")
			began := time.Now()
			err := Run(t.Context(), "poststart", []specs.Hook{hook, shell("touch " + after)}, specs.State{})
			failed, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, errdefs.ErrUnavailable) || !strings.HasPrefix(err.Error(), says) {
				t.Errorf("%v, %+v", err, failed)
			}
			if _, err := os.Stat(after); err == nil {
				t.Error("the next hook ran")
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestCancelled ends a hook with its caller's context.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	err := RunOne(ctx, "prestart", []specs.Hook{shell("sleep 100")}, 0, specs.State{})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestOutputIsBounded keeps the beginning of what a hook prints, and lets it
// print the rest.
func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	err := RunOne(t.Context(), "prestart", []specs.Hook{shell("echo begin; seq 200000; exit 1")}, 0, specs.State{})
	failed, ok := errors.AsType[*Error](err)
	if !ok || len(failed.Output) > maxOutput || !strings.HasPrefix(failed.Output, "begin\n1\n") {
		t.Errorf("%d bytes: %.20q", len(failed.Output), failed.Output)
	}
}

func TestStatusError(t *testing.T) {
	t.Parallel()
	for status, want := range map[unix.WaitStatus]string{3 << 8: "exit code 3", 9: "killed by SIGKILL (killed)", 31: "killed by SIGSYS (bad system call)"} {
		if got := StatusError(status).Error(); got != want {
			t.Errorf("%d: %q", status, got)
		}
	}
}
