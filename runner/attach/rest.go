package attach

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ReadRest copies what can be read without waiting.
func ReadRest(to io.Writer, from *os.File) {
	_ = from.SetReadDeadline(time.Time{}) // pipes and terminals take deadlines
	raw, err := from.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 32<<10)
	for n := 1; n > 0; {
		_ = raw.Read(func(fd uintptr) bool { n, _ = unix.Read(int(fd), buf); return true })
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}
