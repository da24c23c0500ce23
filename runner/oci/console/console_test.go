package console

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// TestSend passes a descriptor to whoever listens.
func TestSend(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		c, err := l.AcceptUnix()
		if err != nil {
			got <- err.Error()
			return
		}
		defer c.Close()
		rights := make([]byte, 64)
		_, n, _, _, err := c.ReadMsgUnix(make([]byte, 64), rights)
		if err != nil {
			got <- err.Error()
			return
		}
		msgs, err := unix.ParseSocketControlMessage(rights[:n])
		if err != nil || len(msgs) != 1 {
			got <- "no descriptor"
			return
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			got <- "no descriptor"
			return
		}
		f := os.NewFile(uintptr(fds[0]), "sent")
		defer f.Close()
		text, _ := io.ReadAll(f) // an error is text that is missing
		got <- string(text)
	}()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := Send(socket, r); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("through it"); err != nil {
		t.Error(err)
	}
	w.Close()
	if text := <-got; text != "through it" {
		t.Errorf("%q", text)
	}
	if _, err := r.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the caller's own is still open: %v", err)
	}
}

func TestSendErrors(t *testing.T) {
	t.Parallel()
	if err := Send("/nosuch", nil); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("no terminal: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := Send("/nosuch", r); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/nosuch") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestTerminal copies in both directions, and has all output when it is closed.
func TestTerminal(t *testing.T) {
	t.Parallel()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	master, inside := os.NewFile(uintptr(pair[0]), "master"), os.NewFile(uintptr(pair[1]), "inside")
	in, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	printed, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer printed.Close()
	term, err := Open(in, out, master)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := typed.WriteString("hello"); err != nil {
		t.Error(err)
	}
	typed.Close()
	buf := make([]byte, 5)
	if _, err := io.ReadFull(inside, buf); err != nil || string(buf) != "hello" {
		t.Errorf("inside: %q, %v", buf, err)
	}
	if _, err := inside.WriteString("the last words"); err != nil {
		t.Error(err)
	}
	inside.Close()
	term.Close()
	out.Close()
	if text, err := io.ReadAll(printed); err != nil || string(text) != "the last words" {
		t.Errorf("outside: %q, %v", text, err)
	}
}

// TestSignals collects those that people send to a runtime in the foreground.
func TestSignals(t *testing.T) {
	signals := Signals()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		// It is set up in a while. SIGCONT does no harm before that.
		if err := unix.Kill(os.Getpid(), unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		select {
		case s := <-signals:
			if s != syscall.SIGCONT {
				t.Errorf("%v", s)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("no signal came")
}
