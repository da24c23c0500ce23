package inroot

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenWhileThingsMove follows links up and down again while directories are renamed
// elsewhere, which the kernel answers with EAGAIN now and then.
func TestOpenWhileThingsMove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deep := filepath.Join(dir, "root", "a", "b", "c")
	if err := errors.Join(os.MkdirAll(deep, 0o755), os.WriteFile(filepath.Join(dir, "root", "file"), nil, 0o600),
		os.Symlink("../../../../../../../file", filepath.Join(deep, "up")), os.Mkdir(filepath.Join(dir, "0"), 0o755)); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open(filepath.Join(dir, "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			if err := os.Rename(filepath.Join(dir, strconv.Itoa(i)), filepath.Join(dir, strconv.Itoa(i+1))); err != nil {
				stopped <- err
				return
			}
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
		}
	}()
	for range 20000 {
		fd, err := Open(root, "a/b/c/up", unix.OpenHow{
			Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
		if err != nil {
			t.Error(err)
			break
		}
		unix.Close(fd)
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAgain(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]error{0: nil, 5: nil, tries: unix.EAGAIN} {
		n := 0
		fd, err := again(func() (int, error) {
			if n++; n <= failures {
				return -1, unix.EAGAIN
			}
			return 7, nil
		})
		if !errors.Is(err, want) || want == nil && fd != 7 {
			t.Errorf("after %d failures it is %d, %v", failures, fd, err)
		}
	}
	if _, err := again(func() (int, error) { return -1, unix.ENOENT }); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}
