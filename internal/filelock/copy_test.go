package filelock

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func copyOf(t *testing.T, fd uintptr) *os.File {
	t.Helper()
	n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(n), "copy")
}
