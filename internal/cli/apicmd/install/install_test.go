package install

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cove/engine/api/listen"
	"cove/errdefs"
)

// machine is one in a folder, whose systemd writes down what it is told.
func machine(t *testing.T) (m Machine, told *[]string, out *bytes.Buffer) {
	t.Helper()
	told, out = new([]string), new(bytes.Buffer)
	m = Machine{
		Root: t.TempDir(), Cove: "/usr/bin/cove", Out: out,
		Systemctl: func(_ context.Context, args ...string) error {
			*told = append(*told, strings.Join(args, " "))
			return nil
		},
		Look: func(name string) (string, error) { return "", exec.ErrNotFound },
	}
	for _, dir := range []string{units, "/run/systemd/system", "/lib/systemd/system"} {
		if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m, told, out
}

func files(t *testing.T, m Machine) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(m.Root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			all = append(all, strings.TrimPrefix(path, m.Root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// TestInstall says what it does, and uninstall undoes exactly that.
func TestInstall(t *testing.T) {
	t.Parallel()
	m, told, out := machine(t)
	if err := m.Install(t.Context(), listen.Owner{User: "ada", Group: "docker"}); err != nil {
		t.Fatal(err)
	}
	written := units + "/" + serviceUnit + " " + units + "/" + socketUnit
	if got := files(t, m); got != written {
		t.Errorf("there are %s, want %s", got, written)
	}
	for _, word := range strings.Fields(written) {
		if !strings.Contains(out.String(), "wrote "+word+"\n") {
			t.Errorf("it does not say that it wrote %s: %s", word, out)
		}
	}
	text, err := os.ReadFile(m.path(units + "/" + socketUnit))
	if err != nil || !strings.Contains(string(text), "ListenStream=/run/docker.sock\n") || !strings.Contains(string(text), "SocketUser=ada\nSocketGroup=docker\n") {
		t.Errorf("%v\n%s", err, text)
	}
	if err := m.Install(t.Context(), listen.Owner{}); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("again: %v", err)
	}
	if err := m.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := files(t, m); got != "" {
		t.Errorf("left are %s", got)
	}
	want := "daemon-reload|enable --now cove-docker.socket|disable --now cove-docker.socket cove-docker.service|daemon-reload"
	if got := strings.Join(*told, "|"); got != want {
		t.Errorf("systemd was told %s, want %s", got, want)
	}
	if err := m.Uninstall(t.Context()); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

// TestInstallRefuses leaves docker's machine, and others' files, as they are.
func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file  string
		look  bool
		fails error
	}{
		"docker's unit":   {file: "/lib/systemd/system/docker.socket", fails: errdefs.ErrConflict},
		"docker's socket": {file: Socket, fails: errdefs.ErrConflict},
		"another's unit":  {file: units + "/" + socketUnit, fails: errdefs.ErrConflict},
		"dockerd":         {look: true, fails: errdefs.ErrConflict},
	} {
		m, told, _ := machine(t)
		if tc.look {
			m.Look = func(string) (string, error) { return "/usr/sbin/dockerd", nil }
		}
		if tc.file != "" {
			if err := os.WriteFile(m.path(tc.file), []byte("another's"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Install(t.Context(), listen.Owner{}); !errors.Is(err, tc.fails) {
			t.Errorf("%s: %v", name, err)
		}
		if got := files(t, m); got != tc.file || len(*told) != 0 {
			t.Errorf("%s: there are %s, and systemd was told %q", name, got, *told)
		}
		if err := m.Uninstall(t.Context()); err == nil || files(t, m) != tc.file {
			t.Errorf("%s: uninstall: %v", name, err)
		}
	}
}

// TestInstallWithoutSystemd says how else.
func TestInstallWithoutSystemd(t *testing.T) {
	t.Parallel()
	m, _, _ := machine(t)
	if err := os.RemoveAll(m.path("/run/systemd")); err != nil {
		t.Fatal(err)
	}
	err := m.Install(t.Context(), listen.Owner{})
	if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "/usr/bin/cove api serve --socket /run/docker.sock") {
		t.Error(err)
	}
}

// TestInstallThatFails leaves nothing, whichever step it was: what systemd has enabled
// before it could not listen is disabled again.
func TestInstallThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, fails := range []string{"", "enable --now cove-docker.socket"} {
		m, told, _ := machine(t)
		does := m.Systemctl
		m.Systemctl = func(ctx context.Context, args ...string) error {
			err := does(ctx, args...)
			if fails == "" || strings.Join(args, " ") == fails {
				return broken
			}
			return err
		}
		if err := m.Install(t.Context(), listen.Owner{}); !errors.Is(err, broken) || files(t, m) != "" {
			t.Errorf("%v, and left are %s", err, files(t, m))
		}
		if last := (*told)[len(*told)-2:]; last[0] != "disable --now cove-docker.socket cove-docker.service" || last[1] != "daemon-reload" {
			t.Errorf("systemd was told %q", *told)
		}
	}
}

// TestUnits are such that systemd finds no mistake in them.
func TestUnits(t *testing.T) {
	t.Parallel()
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	dir := t.TempDir()
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{serviceUnit: Machine{Cove: program}.service(), socketUnit: socket(listen.Owner{Group: "root"})} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(verify, "verify", "./"+socketUnit)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("cove-docker")) {
		t.Errorf("%v\n%s", err, out)
	}
}
