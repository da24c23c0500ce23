package apparmor

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
)

// machine has AppArmor switched on or off, and profiles.
func machine(t *testing.T, enabled, profiles string) Here {
	t.Helper()
	sys := t.TempDir()
	for name, text := range map[string]string{
		"module/apparmor/parameters/enabled": enabled, "kernel/security/apparmor/profiles": profiles,
	} {
		if text == "" {
			continue
		}
		file := filepath.Join(sys, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return Here{Sys: sys, Parser: "/usr/sbin/apparmor_parser"}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	on := machine(t, "Y\n", "mine (enforce)\n")
	off := machine(t, "N\n", "mine (enforce)\n")
	inside := machine(t, "Y\n", "") // as in a container, which sees no profiles
	for _, tt := range []struct {
		here       Here
		asked      string
		privileged bool
		want       string
		refused    bool
	}{
		{on, "", false, Default, false},
		{on, "", true, "", false},
		{on, "docker-default", false, Default, false},
		{on, "mine", true, "mine", false},
		{on, Unconfined, false, "", false},
		{off, "", false, "", false},
		{off, Unconfined, false, "", false},
		{off, "mine", false, "", true},
		{inside, "", false, "", false},
		{inside, "docker-default", false, "", true},
		{Here{Sys: on.Sys, Parser: on.Parser, User: true}, "", false, "", false},
		{Here{Sys: machine(t, "Y\n", "cove-default (enforce)\n").Sys, User: true}, "", false, Default, false},
	} {
		got, err := tt.here.Profile(tt.asked, tt.privileged)
		if got != tt.want || errors.Is(err, errdefs.ErrUnsupported) != tt.refused || (err != nil) != tt.refused {
			t.Errorf("%q, privileged %v: %q, %v; want %q, refused %v", tt.asked, tt.privileged, got, err, tt.want, tt.refused)
		}
	}
}

func TestLoaded(t *testing.T) {
	t.Parallel()
	h := machine(t, "Y\n", "cove-default-not (enforce)\n/usr/bin/man (enforce)\n")
	if h.Loaded(Default) || !h.Loaded("/usr/bin/man") {
		t.Error("a profile is taken for another")
	}
	h = machine(t, "Y\n", "a (complain)\ncove-default (enforce)\n")
	h.Parser = "/nonexistent" // nothing is loaded twice
	if err := h.Load(t.Context()); err != nil {
		t.Error(err)
	}
	h = machine(t, "Y\n", "a (complain)\n")
	h.Parser = "/nonexistent"
	if err := h.Load(t.Context()); err == nil || !strings.Contains(err.Error(), Default) {
		t.Errorf("without a parser: %v", err)
	}
}

// The parser itself compiles the profile, without a kernel that would take it.
func TestText(t *testing.T) {
	t.Parallel()
	parser := Here{}.parser()
	if parser == "" {
		t.Skip("no apparmor_parser")
	}
	cmd := exec.CommandContext(t.Context(), parser, "--skip-kernel-load", "--skip-cache", "--stdout")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", parser, err)
	}
	if !strings.Contains(string(out), Default) {
		t.Errorf("the compiled profile of %d bytes has no name", len(out))
	}
}
