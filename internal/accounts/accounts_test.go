package accounts_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/accounts"
)

// tree is a root filesystem with an /etc, as a descriptor and as a path.
func tree(t *testing.T, passwd string) (root int, dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte(passwd), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(root) })
	return root, dir
}

const passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/srv/app:/bin/sh\nnone:x:7:7:::/bin/sh\n"

func TestHome(t *testing.T) {
	t.Parallel()
	root, _ := tree(t, passwd)
	for uid, want := range map[uint32]string{0: "/root", 1000: "/srv/app", 7: "/", 5: "/"} {
		if home, err := accounts.Home(root, uid); err != nil || home != want {
			t.Errorf("home of %d is %q, %v; want %q", uid, home, err, want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	root, _ := tree(t, passwd)
	for name, uid := range map[string]int{"app": 1000, "5": 5, "": 0} {
		if u, err := accounts.Find(accounts.In(root), name); err != nil || u.Uid != uid {
			t.Errorf("user %q is %+v, %v; want %d", name, u, err, uid)
		}
	}
	if _, err := accounts.Find(accounts.In(root), "nobody"); err == nil {
		t.Error("a user that is in no file was found")
	}
}

// TestOpenOdd opens what an image may have put in the file's place: none of it leads out,
// blocks, or is read.
func TestOpenOdd(t *testing.T) {
	t.Parallel()
	root, dir := tree(t, passwd)
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "real"), []byte("real"), 0o600); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "etc/group")
	for what, c := range map[string]struct {
		make func() error
		want string
		err  error
	}{
		"nothing":          {func() error { return nil }, "", nil},
		"a directory":      {func() error { return os.Mkdir(name, 0o755) }, "", nil},
		"a fifo":           {func() error { return unix.Mkfifo(name, 0o644) }, "", nil},
		"a link out":       {func() error { return os.Symlink("../../../../.."+outside, name) }, "", nil},
		"an absolute link": {func() error { return os.Symlink("/real", name) }, "real", nil},
		"a magic link":     {func() error { return os.Symlink("/proc/self/root"+outside, name) }, "", nil},
		"a loop":           {func() error { return os.Symlink("group", name) }, "", unix.ELOOP},
	} {
		if err := c.make(); err != nil {
			t.Fatal(err)
		}
		f, err := accounts.Open(root, "etc/group")
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", what, err, c.err)
		}
		if err == nil {
			if got, err := io.ReadAll(f); err != nil || string(got) != c.want {
				t.Errorf("%s: read %q, %v; want %q", what, got, err, c.want)
			}
			f.Close()
		}
		os.RemoveAll(name)
	}
}
