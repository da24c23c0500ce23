package sandboxtest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Of linux/seccomp.h: what comes from a listener, and what is answered.
const (
	notifRecv = 0xc0502100 // _IOWR('!', 0, struct seccomp_notif)
	notifSend = 0xc0182101 // _IOWR('!', 1, struct seccomp_notif_resp)
	goOn      = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE
)

// Agent answers for the calls of filters whose listeners it is sent, until the test ends.
type Agent struct {
	// Path is that of its socket.
	Path string
	// Told are the states that came with listeners, in their order.
	Told chan specs.ContainerProcessState
}

// NewAgent returns one that answers ENOMEDIUM to the calls with these numbers, and lets all
// others go on.
func NewAgent(t testing.TB, refused ...int32) *Agent {
	t.Helper()
	a := &Agent{Path: filepath.Join(t.TempDir(), "agent"), Told: make(chan specs.ContainerProcessState, 16)}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: a.Path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			a.serve(t, c, refused)
		}
	}()
	return a
}

// serve reads one state with its listener, and answers calls from it beside other connections.
func (a *Agent) serve(t testing.TB, c *net.UnixConn, refused []int32) {
	defer c.Close()
	text, rights := make([]byte, 64<<10), make([]byte, 64)
	n, oob, _, _, err := c.ReadMsgUnix(text, rights)
	if err != nil {
		t.Errorf("agent: %v", err)
		return
	}
	var st specs.ContainerProcessState
	if err := json.Unmarshal(text[:n], &st); err != nil {
		t.Errorf("agent: %q: %v", text[:n], err)
	}
	if more, _ := c.Read(text); more != 0 {
		t.Errorf("agent: %d bytes more", more)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:oob])
	if err != nil || len(messages) != 1 {
		t.Errorf("agent: %d messages beside the state: %v", len(messages), err)
		return
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Errorf("agent: descriptors %v: %v", fds, err)
		return
	}
	a.Told <- st
	go answer(fds[0], refused)
}

// answer ends when nobody has the filter any more.
func answer(fd int, refused []int32) {
	defer unix.Close(fd)
	for {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(ready, 20_000); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil || n == 0 || ready[0].Revents&unix.POLLHUP != 0 {
			return
		}
		var call [80]byte
		if ioctl(fd, notifRecv, call[:]) != nil {
			continue // the process has ended meanwhile
		}
		nr := int32(binary.NativeEndian.Uint32(call[16:]))
		var answer [24]byte
		copy(answer[:8], call[:8])
		if slices.Contains(refused, nr) {
			errno := -int32(unix.ENOMEDIUM)
			binary.NativeEndian.PutUint32(answer[16:], uint32(errno))
		} else {
			binary.NativeEndian.PutUint32(answer[20:], goOn)
		}
		_ = ioctl(fd, notifSend, answer[:])
	}
}

func ioctl(fd int, request uintptr, data []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&data[0])))
	if errno != 0 {
		return errno
	}
	return nil
}

// Notifying is a filter that leaves calls to the agent.
func (a *Agent) Notifying(calls ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, ListenerPath: a.Path, ListenerMetadata: "opaque",
		Syscalls: []specs.LinuxSyscall{{Names: calls, Action: specs.ActNotify}},
	}
}
