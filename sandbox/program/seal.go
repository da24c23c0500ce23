package program

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// Seal returns the image of a program as a file in memory that nobody can change: the
// container can reach it as /proc/PID/exe while it starts (CVE-2019-5736).
func Seal(image []byte) (*os.File, error) {
	const mfdExec = 0x10 // since Linux 6.3, where a sysctl may demand it
	base := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("cove-init", base|mfdExec)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("cove-init", base)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "sandbox: memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "cove-init")
	if _, err := f.Write(image); err != nil {
		f.Close()
		return nil, fmt.Errorf("sandbox: writing the program: %w", err)
	}
	seals := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("sandbox: sealing the program: %w", err)
	}
	return f, nil
}
