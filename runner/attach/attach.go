// Package attach is the protocol between a container's monitor and those who
// talk to it, over a unix socket of packets: each is one type byte and its
// payload, so that nothing needs a length and file descriptors travel with the
// packet they belong to.
//
// A client says what it wants in a Hello. To [Attach] it gets output until the
// container ends and sends input; to [Wait] it gets only the end; to [Exec] it
// passes the descriptors of the new process and gets its end; to [Publish] it gets a
// failure, or an end that says nothing. The first client
// of a monitor is whoever started it, over an inherited socket: it is told
// whether the start succeeded.
package attach

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/internal/timeline"
	"cove/network/publish"
	"cove/runner/record"
)

// Type is what a packet is.
type Type byte

// The types: from the client, from the monitor.
const (
	TypeHello  Type = 'h' // a Hello; descriptors of an exec come with it
	TypeStdin  Type = 'i'
	TypeEOF    Type = 'e' // the end of stdin
	TypeResize Type = 'r' // rows and columns, two big-endian uint16

	TypeWelcome Type = 'w' // the answer to a Hello that came by the socket's name: the monitor lives
	TypeStarted Type = 's' // a Started; the terminal of an exec comes with it
	TypeFailed  Type = 'f' // a record.StartError
	TypeStdout  Type = '1'
	TypeStderr  Type = '2'
	TypeExit    Type = 'x' // a record.ExitStatus
)

// MaxData is the most payload one packet carries.
const MaxData = 32 << 10

// Kind is what a client wants.
type Kind string

// The kinds of clients.
const (
	Attach Kind = "attach"
	Wait   Kind = "wait"
	Exec   Kind = "exec"
	// Publish changes the ports that the container publishes.
	Publish Kind = "publish"
)

// Hello is a client's first packet.
type Hello struct {
	Kind Kind               `json:"kind"`
	Exec *record.ExecConfig `json:"exec,omitempty"`
	// Lossless makes the container wait for this client when it reads more
	// slowly than the container writes: the one who runs it in a pipe. Others
	// are cut off when they fall too far behind.
	Lossless bool `json:"lossless,omitempty"`
	// Stdin says that the first descriptor is an exec's stdin; stdout and
	// stderr follow. Without it stdin is empty.
	Stdin bool `json:"stdin,omitempty"`
	// Rows and Cols are the size of the client's terminal, 0 if unknown.
	Rows uint16 `json:"rows,omitempty"`
	Cols uint16 `json:"cols,omitempty"`
	// Ports are what a container is to publish from now on.
	Ports []publish.Port `json:"ports,omitempty"`
	// Timeline asks whoever starts it for the phases of the start.
	Timeline bool `json:"timeline,omitempty"`
}

// Started answers an exec, or a start.
type Started struct {
	Pid int `json:"pid"`
	// Phases are those of the start, if they were asked for.
	Phases []timeline.Span `json:"phases,omitempty"`
}

// Conn is one end of a connection. One goroutine may read while another writes.
type Conn struct {
	*net.UnixConn
	buf []byte
}

// Packet is one that was received; Data is valid until the next Receive.
type Packet struct {
	Type  Type
	Data  []byte
	Files []*os.File
}

// New wraps a connected packet socket.
func New(c *net.UnixConn) *Conn { return &Conn{UnixConn: c} }

// FromFile wraps an inherited socket; the file is closed.
func FromFile(f *os.File) (*Conn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("attach: using inherited socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "attach: inherited descriptor is not a unix socket")
	}
	return New(u), nil
}

// Pair returns a connection and the other end of it, to be inherited.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("attach: making socket pair: %w", err)
	}
	other := os.NewFile(uintptr(fds[1]), "attach")
	c, err := FromFile(os.NewFile(uintptr(fds[0]), "attach"))
	if err != nil {
		other.Close()
		return nil, nil, err
	}
	return c, other, nil
}

// Listen makes the monitor's socket; a left-over one is replaced.
func Listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("attach: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	addr, dir, err := address(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l, err := net.ListenUnix("unixpacket", addr)
	if err != nil {
		return nil, fmt.Errorf("attach: listening on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // its name may lead through a closed directory
	return l, nil
}

// Dial connects to a monitor. One that is not there, or ends before it has
// heard who calls, is errdefs.ErrNotFound.
func Dial(path string, h Hello, files ...*os.File) (*Conn, error) {
	addr, dir, err := address(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "attach: no monitor listens on %s", path)
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	u, err := net.DialUnix("unixpacket", nil, addr)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "attach: no monitor listens on %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("attach: connecting to %s: %w", path, err)
	}
	c := New(u)
	err = c.SendJSON(TypeHello, h, files...)
	if err == nil {
		return c, nil
	}
	c.Close()
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "attach: the monitor on %s has just ended", path)
	}
	return nil, err
}

// address names a socket by its directory's descriptor: a socket's path is at
// most 107 bytes, a directory's is not.
func address(path string) (*net.UnixAddr, *os.File, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, nil, fmt.Errorf("attach: %w", err)
	}
	name := "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + filepath.Base(path)
	return &net.UnixAddr{Name: name, Net: "unixpacket"}, dir, nil
}

// Send sends one packet.
func (c *Conn) Send(t Type, data []byte, files ...*os.File) error {
	packet := append([]byte{byte(t)}, data...)
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := c.WriteMsgUnix(packet, rights, nil); err != nil {
		if errors.Is(err, unix.EMSGSIZE) {
			return errdefs.Errorf(errdefs.ErrInvalid, "attach: request of %d bytes is too long", len(packet))
		}
		return fmt.Errorf("attach: sending: %w", err)
	}
	return nil
}

// SendJSON sends a packet whose payload is v.
func (c *Conn) SendJSON(t Type, v any, files ...*os.File) error {
	data, err := leanjson.Marshal(v)
	if err != nil {
		return fmt.Errorf("attach: encoding: %w", err)
	}
	return c.Send(t, data, files...)
}

// Resize sends a terminal's size.
func (c *Conn) Resize(rows, cols uint16) error {
	return c.Send(TypeResize, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, rows), cols))
}

// Size decodes a TypeResize.
func (p Packet) Size() (rows, cols uint16, ok bool) {
	if len(p.Data) != 4 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(p.Data), binary.BigEndian.Uint16(p.Data[2:]), true
}

// maxPacket bounds what is received: a Hello with its environment is the
// longest, and the kernel's default send buffer is no longer.
const maxPacket = 208 << 10

// Receive reads one packet; io.EOF is the end of the connection. With small set
// only data and sizes are expected, and less is buffered.
func (c *Conn) Receive(small bool) (Packet, error) {
	size := maxPacket
	if small {
		size = MaxData + 1
	}
	if len(c.buf) < size {
		c.buf = make([]byte, size)
	}
	rights := make([]byte, unix.CmsgSpace(4*4))
	n, rn, flags, _, err := c.ReadMsgUnix(c.buf, rights)
	if errors.Is(err, unix.ECONNRESET) {
		// The other end closed before it read everything of ours. That is told
		// once, and before what it sent last, which is still to be read.
		n, rn, flags, _, err = c.ReadMsgUnix(c.buf, rights)
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	files := filesOf(rights[:rn])
	if err == nil && flags&unix.MSG_TRUNC != 0 {
		err = errdefs.Errorf(errdefs.ErrInvalid, "attach: packet is too long")
	}
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.ECONNRESET) {
			return Packet{}, io.EOF
		}
		return Packet{}, fmt.Errorf("attach: receiving: %w", err)
	}
	return Packet{Type: Type(c.buf[0]), Data: c.buf[1:n], Files: files}, nil
}

func filesOf(rights []byte) []*os.File {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files
}
