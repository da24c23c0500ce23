package hijack

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the stream waits for its client to have read the head of the answer.
const patience = 200 * time.Millisecond

// awaitRead waits until the client has read what was written to it so far, but not beyond
// patience. docker-py reads the head through a buffer that it then leaves: what came with it
// in one read, the whole output of a short command, is lost there. The kernel knows of Unix
// sockets alone what is unread (unix(7), SIOCOUTQ).
func awaitRead(conn net.Conn) {
	raw, ok := conn.(syscall.Conn)
	if !ok || conn.LocalAddr().Network() != "unix" {
		return
	}
	c, err := raw.SyscallConn()
	if err != nil {
		return
	}
	for began, wait := time.Now(), 20*time.Microsecond; time.Since(began) < patience; wait *= 2 {
		unread := 0
		err := c.Control(func(fd uintptr) { unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		if err != nil || unread == 0 {
			return
		}
		time.Sleep(min(wait, time.Millisecond))
	}
}
