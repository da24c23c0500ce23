package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// TestAccessTimes has mount(8)'s meaning of words, which runc has too.
func TestAccessTimes(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]string{
		"bind":                        "bind",
		"bind,atime":                  "bind",
		"bind,norelatime,ro":          "bind,ro",
		"bind,noatime,atime":          "bind",
		"bind,noatime":                "bind,noatime,diratime",
		"bind,nodiratime":             "bind,relatime,nodiratime",
		"bind,nodiratime,norelatime":  "bind,relatime,nodiratime",
		"bind,nodiratime,strictatime": "bind,strictatime,nodiratime",
		"bind,relatime,noatime":       "bind,noatime,diratime",
		"rbind,rnoatime":              "rbind,rnoatime",
	} {
		if got := strings.Join(accessTimes(strings.Split(options, ",")), ","); got != want {
			t.Errorf("%s: %s, want %s", options, got, want)
		}
	}
}

// TestKeepsLocked: a user namespace cannot have what the source of a bind is mounted without.
func TestKeepsLocked(t *testing.T) {
	t.Parallel()
	if unix.Geteuid() != 0 {
		t.Skip("needs root: it mounts")
	}
	source := filepath.Join(t.TempDir(), "source")
	if err := unix.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", source, "tmpfs", unix.MS_NOSUID|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(source, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	user := &specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.UserNamespace}}}}
	for options, refused := range map[string]bool{
		"bind": false, "bind,ro,nosuid": false, "bind,dev,exec": false, "bind,rw,ro,nosuid": false,
		"bind,relatime": false, "bind,noatime": true, "bind,nodiratime": true, "bind,strictatime": true, "bind,noatime,atime": false,
		"bind,rw": true, "bind,suid": true, "bind,ro,rw": true,
	} {
		m := specs.Mount{Source: source, Destination: "/mnt", Options: strings.Split(options, ",")}
		err := keepsLocked(user, m)
		if refused != errors.Is(err, errdefs.ErrDenied) || refused != errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v", options, err)
		}
		if err := keepsLocked(&specs.Spec{Linux: &specs.Linux{}}, m); err != nil {
			t.Errorf("%s without a user namespace: %v", options, err)
		}
	}
}

// TestEnviron: what is no variable is refused.
func TestEnviron(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"NAME", "=value", ""} {
		if _, err := Environ([]string{"A=b", v}, t.TempDir(), 0); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", v, err)
		}
	}
	if env, err := Environ([]string{"A=b=c", "B="}, t.TempDir(), 0); err != nil || env[0] != "A=b=c" || env[1] != "B=" {
		t.Errorf("%q, %v", env, err)
	}
}

// TestRootIsALink: a root that is a link could lead elsewhere tomorrow.
func TestRootIsALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, made := range []error{
		os.Mkdir(filepath.Join(dir, "real"), 0o755), os.Symlink("real", filepath.Join(dir, "link")),
	} {
		if made != nil {
			t.Fatal(made)
		}
	}
	for root, refused := range map[string]bool{"link": true, "real": false} {
		config := `{"ociVersion":"1.0.2","process":{"args":["true"],"cwd":"/"},"root":{"path":"` + root + `"}}`
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); refused != (err != nil && strings.Contains(err.Error(), "invalid rootfs")) {
			t.Errorf("%s: %v", root, err)
		}
	}
}
