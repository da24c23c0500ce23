package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cove/layers/mount"
)

// TestMark makes the marks over images that have none of them, some, or deleted them.
func TestMark(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: owners of files")
	}
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, image := range map[string]struct {
		files map[string]string // of the image; "-> x" is a link
		link  string            // what etc/mtab is afterwards, "" nothing of ours
	}{
		"empty":         {nil, mounts},
		"plain":         {map[string]string{"etc/passwd": "x"}, mounts},
		"has its own":   {map[string]string{"etc/mtab": "-> ../proc/self/mounts"}, ""},
		"etc is a link": {map[string]string{"usr/etc/passwd": "x", "etc": "-> /usr/etc"}, ""},
		"etc is a file": {map[string]string{"etc": "x"}, ""},
	} {
		lower, upper := t.TempDir(), t.TempDir()
		for file, text := range image.files {
			path := filepath.Join(lower, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				t.Fatal(err)
			}
			var err error
			if len(text) > 3 && text[:3] == "-> " {
				err = os.Symlink(text[3:], path)
			} else {
				err = os.WriteFile(path, []byte(text), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(filepath.Join(lower, "etc"), old, old); err != nil && name == "plain" {
			t.Fatal(err)
		}
		for range 2 { // a second time changes nothing
			if err := Mark(mount.Mount{Type: "overlay", Upper: upper, Lower: []string{lower}}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if st, err := os.Lstat(filepath.Join(upper, ".dockerenv")); err != nil || st.Size() != 0 || st.Mode() != 0o755 {
			t.Errorf("%s: .dockerenv: %v, %v", name, st, err)
		}
		link, _ := os.Readlink(filepath.Join(upper, "etc/mtab"))
		if link != image.link || IsMark(upper, "etc/mtab") != (link != "") || !IsMark(upper, ".dockerenv") {
			t.Errorf("%s: etc/mtab is %q, want %q", name, link, image.link)
		}
		if st, err := os.Stat(filepath.Join(upper, "etc")); name == "plain" &&
			(err != nil || st.Mode().Perm() != 0o750 || !st.ModTime().Equal(old)) {
			t.Errorf("%s: etc: %v, %v", name, st, err)
		}
	}
	// A container made its /etc lead elsewhere.
	upper, elsewhere := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Symlink(mounts, filepath.Join(elsewhere, "mtab")),
		os.Symlink(elsewhere, filepath.Join(upper, "etc"))); err != nil {
		t.Fatal(err)
	}
	if IsMark(upper, "etc/mtab") {
		t.Error("a link was followed out of the root")
	}
	whole := t.TempDir()
	if err := os.Mkdir(filepath.Join(whole, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Mark(mount.Mount{Type: "bind", Source: whole}); err != nil {
		t.Error(err)
	}
	if link, err := os.Readlink(filepath.Join(whole, "etc/mtab")); link != mounts {
		t.Errorf("a directory that is used as it is: %q, %v", link, err)
	}
}
