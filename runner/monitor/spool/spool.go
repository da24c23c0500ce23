// Package spool keeps packets on disk for who is slow to take them.
package spool

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"cove/runner/attach"
)

// Spool holds the packets that a slow client has not taken yet, in an unlinked
// file: the monitor's memory stays small whatever a container prints. It is a
// queue; the caller locks.
type Spool struct {
	// Dir is the directory of the file.
	Dir         string
	file        *os.File
	read, write int64
}

// header is what precedes a packet's payload: its type and length.
const header = 5

// punchAt is how much read space is given back to the filesystem at once.
const punchAt = 4 << 20

// Size is how many bytes wait.
func (s *Spool) Size() int64 { return s.write - s.read }

// Push adds a packet.
func (s *Spool) Push(t attach.Type, data []byte) error {
	if s.file == nil {
		f, err := os.OpenFile(s.Dir, unix.O_TMPFILE|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("monitor: making a spool: %w", err)
		}
		s.file = f
	}
	buf := binary.BigEndian.AppendUint32([]byte{byte(t)}, uint32(len(data)))
	if _, err := s.file.WriteAt(append(buf, data...), s.write); err != nil {
		return fmt.Errorf("monitor: spooling: %w", err)
	}
	s.write += header + int64(len(data))
	return nil
}

// Pop reads the first packet into buf. The queue must not be empty.
func (s *Spool) Pop(buf []byte) (attach.Type, []byte, error) {
	head := make([]byte, header)
	if _, err := s.file.ReadAt(head, s.read); err != nil {
		return 0, nil, fmt.Errorf("monitor: reading spool: %w", err)
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if n > len(buf) {
		return 0, nil, fmt.Errorf("monitor: reading spool: packet of %d bytes", n)
	}
	if _, err := s.file.ReadAt(buf[:n], s.read+header); n > 0 && err != nil {
		return 0, nil, fmt.Errorf("monitor: reading spool: %w", err)
	}
	s.read += header + int64(n)
	switch {
	case s.read == s.write:
		if err := s.file.Truncate(0); err != nil {
			return 0, nil, fmt.Errorf("monitor: emptying spool: %w", err)
		}
		s.read, s.write = 0, 0
	case s.read%punchAt < header+int64(n):
		// A filesystem that cannot keeps the space until the queue is empty.
		_ = unix.Fallocate(int(s.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, s.read)
	}
	return attach.Type(head[0]), buf[:n], nil
}

// Close drops what waits.
func (s *Spool) Close() {
	if s.file != nil {
		s.file.Close()
	}
}
