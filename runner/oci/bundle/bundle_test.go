package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"1.0.0": true, "1.0.2-dev": true, "1.3.0+dev": true, "1.2.0-rc.1": true,
		"": false, "1.": false, "1.x": false, "1.0": false, "2.0.0": false, "0.1.0": false, "1.0.x": false,
	} {
		if _, understood := minor(version); understood != want {
			t.Errorf("%q: %t", version, !want)
		}
	}
}

// TestLoad reads bundles that cannot be run, and one that can.
func TestLoad(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]error{
		"":  errdefs.ErrNotFound,
		"{": errdefs.ErrInvalid,
		`{"ociVersion":"2.0.0","process":{"args":["a"]},"root":{"path":"rootfs"}}`: errdefs.ErrUnsupported,
		`{"ociVersion":"1.0.2","root":{"path":"rootfs"}}`:                          errdefs.ErrInvalid,
		`{"ociVersion":"1.0.2","process":{"args":[]},"root":{"path":"rootfs"}}`:    errdefs.ErrInvalid,
		`{"ociVersion":"1.0.2","process":{"args":["a"]}}`:                          errdefs.ErrInvalid,
		`{"ociVersion":"1.0.2","process":{"args":["a"]},"root":{"path":"other"}}`:  errdefs.ErrNotFound,
		`{"ociVersion":"1.0.2","process":{"args":["a"]},"root":{"path":"rootfs"},` +
			`"mounts":[{"destination":"/a","source":"here","options":["rbind"]},{"destination":"/b","source":"none","type":"tmpfs"}]}`: nil,
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
			t.Fatal(err)
		}
		if config != "" {
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b, err := Load(dir)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", config, err, want)
		}
		if err != nil {
			continue
		}
		if b.Root.Source != filepath.Join(dir, "rootfs") || b.Spec.Mounts[0].Source != filepath.Join(dir, "here") ||
			b.Spec.Mounts[1].Source != "none" || string(b.Config) != config {
			t.Errorf("%+v", b)
		}
	}
}

// TestBindOptions: attributes of a bind stand for all, as with runc, and in a user namespace
// only for those that the kernel would let somebody in it change.
func TestBindOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		options, want string
		user          bool
	}{
		{"bind", "bind", false},
		{"rbind rprivate", "rbind rprivate", false},
		{"rbind rro", "rbind rro", false},
		{"bind ro", "symfollow rw suid dev exec bind ro", false},
		{"bind norelatime", "symfollow rw suid dev exec bind", false},
		{"bind dev", "symfollow bind dev", true},
		{"rbind", "rbind", true},
	} {
		spec := &specs.Spec{
			Root:   &specs.Root{Path: "/r"},
			Mounts: []specs.Mount{{Destination: "/a", Source: "/x", Options: strings.Fields(tt.options)}},
			Linux:  &specs.Linux{},
		}
		if tt.user {
			spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.UserNamespace}}
		}
		if err := Relative(spec, "/b"); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(spec.Mounts[0].Options, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.options, got, tt.want)
		}
	}
}

// TestDestinations: one that is named as the host sees it is below the root.
func TestDestinations(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"/b/rootfs/etc/x": "/etc/x", "/b/rootfs/": "/b/rootfs/", "/b/rootfsx/y": "/b/rootfsx/y", "/etc": "/etc",
	} {
		spec := &specs.Spec{
			Root: &specs.Root{Path: "rootfs"}, Linux: &specs.Linux{},
			Mounts: []specs.Mount{{Destination: name, Type: "tmpfs"}},
		}
		if err := Relative(spec, "/b"); err != nil || spec.Mounts[0].Destination != want {
			t.Errorf("%s: %s, %v", name, spec.Mounts[0].Destination, err)
		}
	}
}
