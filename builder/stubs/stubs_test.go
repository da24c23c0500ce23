package stubs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cove/layers/mount"
)

// change is an overlay's directories, written to as the kernel would.
func change(t *testing.T, lower ...string) mount.Mount {
	t.Helper()
	m := mount.Mount{Type: "overlay", Upper: t.TempDir(), Lower: []string{t.TempDir()}}
	for _, name := range lower {
		put(t, m.Lower[0], name)
	}
	return m
}

// put makes a directory ("a/") or an empty file.
func put(t *testing.T, dir, name string) {
	t.Helper()
	p := filepath.Join(dir, name)
	err := os.MkdirAll(filepath.Dir(p), 0o755)
	if name[len(name)-1] == '/' {
		err = errors.Join(err, os.MkdirAll(p, 0o755))
	} else {
		err = errors.Join(err, os.WriteFile(p, nil, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func left(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, p); rel != "." {
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lower, made, want []string
	}{
		"everything is new":          {nil, []string{"dev/", "proc/", "sys/", "etc/hosts", "run/secrets/k"}, nil},
		"a directory copied up":      {[]string{"etc/passwd"}, []string{"etc/resolv.conf", "etc/hostname"}, nil},
		"the command wrote beside":   {[]string{"etc/passwd"}, []string{"etc/resolv.conf", "etc/new"}, []string{"etc", "etc/new"}},
		"its own empty directory":    {[]string{"etc/passwd"}, []string{"var/empty/"}, []string{"var", "var/empty"}},
		"something is in the target": {nil, []string{"run/secrets/k", "run/secrets/other"}, []string{"run", "run/secrets", "run/secrets/other"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := change(t, tc.lower...)
			st := Find(m, "/run/secrets/k", "/var/cache/x")
			for _, p := range tc.made {
				put(t, m.Upper, p)
			}
			if err := st.Remove(m); err != nil {
				t.Fatal(err)
			}
			if got := left(t, m.Upper); !slices.Equal(got, tc.want) {
				t.Errorf("left %q, want %q", got, tc.want)
			}
		})
	}
}

// TestKeepsChanges: a directory whose mode the command changed stays.
func TestKeepsChanges(t *testing.T) {
	t.Parallel()
	m := change(t, "etc/passwd")
	st := Find(m)
	put(t, m.Upper, "etc/resolv.conf")
	if err := os.Chmod(filepath.Join(m.Upper, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.Upper, "etc/hosts"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := st.Remove(m); err != nil {
		t.Fatal(err)
	}
	if got := left(t, m.Upper); !slices.Equal(got, []string{"etc", "etc/hosts"}) {
		t.Errorf("left %q", got)
	}
}
