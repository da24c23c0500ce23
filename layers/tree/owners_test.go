package tree_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cove/layers/tree"
)

func TestNotedOwner(t *testing.T) {
	t.Parallel()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	f, err := os.Create(filepath.Join(dir.Name(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, in := int(f.Fd()), int(dir.Fd())
	note := func(uid, gid int) {
		t.Helper()
		if err := tree.NoteOwner(fd, uid, gid, 0o4755); err != nil {
			t.Fatal(err)
		}
	}
	note(0, 0)
	if uid, gid, noted := tree.NotedOwner(in, "f"); noted {
		t.Errorf("root's needs no note: %d:%d", uid, gid)
	}
	note(1000, 2147483646)
	for _, at := range []struct {
		dir  int
		name string
	}{{in, "f"}, {fd, ""}} {
		if uid, gid, noted := tree.NotedOwner(at.dir, at.name); uid != 1000 || gid != 2147483646 || !noted {
			t.Errorf("%q: %d:%d, %v", at.name, uid, gid, noted)
		}
	}
	note(0, 0)
	if _, _, noted := tree.NotedOwner(fd, ""); noted {
		t.Error("a note stays after its file is root's again")
	}
	// What a container wrote itself.
	for _, lie := range []string{"", "x", "1", "1:", "-1:2", "4294967296:1", "1:x:0755"} {
		if err := unix.Fsetxattr(fd, "user.containers.override_stat", []byte(lie), 0); err != nil {
			t.Fatal(err)
		}
		if uid, gid, noted := tree.NotedOwner(fd, ""); noted {
			t.Errorf("%q is read as %d:%d", lie, uid, gid)
		}
	}
}

// TestNoteGoesWithACopy copies a tree in a user namespace of one id.
func TestNoteGoesWithACopy(t *testing.T) {
	if !tree.OneOwner() {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	open := func(name string) int {
		fd, err := tree.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	from, to := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(from, "d/e"), 0o700); err != nil {
		t.Fatal(err)
	}
	src, dst := open(from), open(to)
	if err := tree.NoteOwner(open(filepath.Join(from, "d")), 3, 4, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := tree.Copy(src, dst); err != nil {
		t.Fatal(err)
	}
	if uid, gid, noted := tree.NotedOwner(dst, "d"); uid != 3 || gid != 4 || !noted {
		t.Errorf("the copy is %d:%d's, %v", uid, gid, noted)
	}
	if _, _, noted := tree.NotedOwner(open(filepath.Join(to, "d")), "e"); noted {
		t.Error("what has no note got one")
	}
}
