package hijack

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Hangup ends when the client is seen to be gone, or the stream is closed. It is seen by
// whoever called Watch, and, of a terminal, by Read at the end of what the client sends:
// elsewhere that end is to reach the process first.
func (s *Stream) Hangup() context.Context { return s.gone }

// Watch looks out for the end of the connection, for a client of which nobody reads.
// One that has closed its own half is there, as docker's are that send nothing.
func (s *Stream) Watch() { s.watched.Do(func() { go s.watch() }) }

// Cut ends what waits for the client, which has to be closed then.
func (s *Stream) Cut() { _ = s.conn.SetDeadline(time.Unix(1, 0)) } // one that is closed waits for nothing

func (s *Stream) watch() {
	conn, ok := s.conn.(syscall.Conn)
	if !ok {
		return // TLS, whose end is seen by the next write
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	hungUp := false
	err = raw.Read(func(fd uintptr) bool {
		hungUp = isHungUp(fd)
		return hungUp
	})
	if err == nil && hungUp {
		s.hangUp()
	}
}

func isHungUp(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

// Abandoned reports whether the client has gone and said nothing that is to be read yet;
// what was typed at a terminal does not count.
func (s *Stream) Abandoned() bool {
	conn, ok := s.conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	abandoned := false
	err = raw.Control(func(fd uintptr) {
		waiting, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		abandoned = isHungUp(fd) && (s.tty || err == nil && waiting+s.reader.Buffered() == 0)
	})
	return err == nil && abandoned
}
