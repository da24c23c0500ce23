package api

import (
	"bytes"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// Resting is a handler after which rest is called, each time that no request has begun
// or ended for a while; first after it was made. Streams may last on meanwhile.
func Resting(next http.Handler, after time.Duration, rest func()) http.Handler {
	timer := time.AfterFunc(after, rest)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timer.Reset(after)
		defer timer.Reset(after)
		next.ServeHTTP(w, r)
	})
}

// GiveBack returns to the machine what this process holds and does not use at the
// moment: freed memory, and the pages of its program, of which the kernel maps sixteen
// for each that is touched. Those stay in the kernel's cache, and come back as they are
// needed.
func GiveBack() error {
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	for line := range bytes.Lines(maps) {
		start, size, err := readOnly(string(line), exe)
		if err == nil && size > 0 {
			_, _, errno := unix.Syscall(unix.SYS_MADVISE, start, size, unix.MADV_DONTNEED)
			if errno != 0 {
				return os.NewSyscallError("madvise", errno)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readOnly is where a line of /proc/self/maps has a part of a file that cannot have
// been written to; of all else the size is 0.
func readOnly(line, file string) (start, size uintptr, err error) {
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[5] != file || strings.Contains(fields[1], "w") {
		return 0, 0, nil
	}
	from, to, _ := strings.Cut(fields[0], "-")
	first, ferr := strconv.ParseUint(from, 16, 64)
	end, eerr := strconv.ParseUint(to, 16, 64)
	if ferr != nil || eerr != nil || end < first {
		return 0, 0, errdefs.Errorf(errdefs.ErrCorrupt, "/proc/self/maps has the line %q", line)
	}
	return uintptr(first), uintptr(end - first), nil
}
