package sources

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
	"cove/volume"
)

// having is a container with a volume, of which it mounts a sub-path.
func having(root, name, subpath string) record.Config {
	source := volume.Open(root).Path(name)
	return record.Config{
		ID: strings.Repeat("a", 64), Spec: &specs.Spec{Mounts: []specs.Mount{{Destination: "/data", Source: source}}},
		Mounts: []record.Mounted{{Type: record.MountVolume, Name: name, Source: source, Target: "/data", Subpath: subpath}},
	}
}

func made(t *testing.T, options map[string]string) (root, path string) {
	t.Helper()
	root = t.TempDir()
	if _, err := volume.Open(root).Create(t.Context(), volume.Wanted{Name: "data", Options: options}, nil); err != nil {
		t.Fatal(err)
	}
	return root, volume.Open(root).Path("data")
}

// TestSubpath: links that a container left lead nowhere else.
func TestSubpath(t *testing.T) {
	t.Parallel()
	root, path := made(t, nil)
	err := errors.Join(os.MkdirAll(filepath.Join(path, "a/b"), 0o755), os.WriteFile(filepath.Join(path, "a/b/f"), nil, 0o600),
		os.Symlink("/a", filepath.Join(path, "abs")), os.Symlink("a", filepath.Join(path, "in")),
		os.Symlink("../../../../../etc", filepath.Join(path, "up")))
	if err != nil {
		t.Fatal(err)
	}
	for sub, want := range map[string]error{
		"a/b": nil, "a/b/f": nil, "in/b": nil, "abs/b": errdefs.ErrInvalid, "up": errdefs.ErrInvalid, "nosuch": errdefs.ErrNotFound,
	} {
		cfg := having(root, "data", sub)
		done, err := Take(t.Context(), record.Of(root, cfg.ID), cfg)
		if want != nil {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v", sub, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", sub, err)
			continue
		}
		real, err := os.Readlink(cfg.Spec.Mounts[0].Source)
		if want := strings.Replace(sub, "in", "a", 1); err != nil || real != filepath.Join(path, want) {
			t.Errorf("%s: %s, %v", sub, real, err)
		}
		done.Close()
	}
}

func TestMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it mounts")
	}
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "there"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		options map[string]string
		writes  bool
	}{
		"tmpfs":          {map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=755,nosuid"}, true},
		"bind":           {map[string]string{"type": "none", "device": dir, "o": "bind"}, true},
		"read-only bind": {map[string]string{"type": "none", "device": dir, "o": "bind,ro"}, false},
	} {
		root, path := made(t, tt.options)
		cfg := having(root, "data", "")
		for range 2 { // the second finds it mounted
			done, err := Take(t.Context(), record.Of(root, cfg.ID), cfg)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			done.Close()
		}
		t.Cleanup(func() { _ = Unmount(path) })
		if !Mounted(path) {
			t.Errorf("%s: is not mounted", name)
		}
		if err := os.WriteFile(filepath.Join(path, "new"), nil, 0o600); (err == nil) != tt.writes {
			t.Errorf("%s: writing: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(path, "there")); (err == nil) == (name == "tmpfs") {
			t.Errorf("%s: %v", name, err)
		}
		if err := Release(t.Context(), root, cfg); err != nil || Mounted(path) {
			t.Errorf("%s: released: %v", name, err)
		}
	}
	root, _ := made(t, map[string]string{"type": "nosuchfs", "device": "x"})
	if _, err := Take(t.Context(), record.Of(root, "a"), having(root, "data", "")); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a filesystem that there is not: %v", err)
	}
}
