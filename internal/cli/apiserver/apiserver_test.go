package apiserver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/internal/cli/app"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	a := &app.App{Root: "/r", Insecure: []string{"a", "b"}, Mirrors: []string{"https://m"}, Debug: true}
	want := "--here --root /r --insecure-registry a --insecure-registry b --registry-mirror https://m --debug " +
		"api serve --socket /s --until-eof"
	if got := strings.Join(arguments(a, server{socket: "/s", until: []string{"--until-eof"}}), " "); got != want {
		t.Errorf("the server gets %s, want %s", got, want)
	}
}

// TestNoServer says which program is missing.
func TestNoServer(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	a := &app.App{Prog: "cove", Root: t.TempDir()}
	if _, _, err := Private(t.Context(), a); !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "cove-api") {
		t.Errorf("private: %v", err)
	}
	if _, err := Shared(t.Context(), a); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("shared: %v", err)
	}
}

// TestServerThatEnds is not waited for.
func TestServerThatEnds(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("false")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err := awaitServed(t.Context(), cmd, filepath.Join(t.TempDir(), "s"))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
