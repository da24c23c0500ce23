package scope

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Unit{
		"":                              {"system.slice", "cove-x1.scope"},
		"machine.slice:libpod:abc":      {"machine.slice", "libpod-abc.scope"},
		":cri-containerd:abc":           {"system.slice", "cri-containerd-abc.scope"},
		"a-b.slice::abc":                {"a-b.slice", "abc.scope"},
		"/system/x":                     {},
		"system.slice:cove":             {},
		"system:cove:x":                 {},
		"system.slice:cove:":            {},
		"system.slice:cove:x.slice":     {},
		"../system.slice:cove:x":        {},
		"system.slice:cove:x:y":         {},
		"system.slice:co/ve:x":          {},
		"system.slice:cove:x\nPIDs=1":   {},
		"system.slice:cove:\x00":        {},
		"user.slice:runc:container-one": {"user.slice", "runc-container-one.scope"},
	} {
		got, err := Parse(text, "x1")
		if got != want || (err != nil) != (want == Unit{}) || err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestPlaceWithoutSystemd(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{"": "/x1", "/a/b": "/a/b", "machine.slice:libpod:abc": ""} {
		group, held, err := Place(t.Context(), asked, "x1", false)
		if group != want || held != nil || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", asked, group, err)
		}
		held.Close() // holds nothing
	}
}

// TestWire holds the bytes of a small call against the specification's rules for them.
func TestWire(t *testing.T) {
	t.Parallel()
	w := &writer{}
	w.string("ab")
	w.array(8, func() { w.property("P", "u", func() { w.uint32(7) }) })
	want := []byte{
		2, 0, 0, 0, 'a', 'b', 0, 0, // a string, and padding
		16, 0, 0, 0, 0, 0, 0, 0, // an array's length without the padding behind it
		1, 0, 0, 0, 'P', 0, 1, 'u', 0, 0, 0, 0, 7, 0, 0, 0,
	}
	if !bytes.Equal(w.b, want) {
		t.Errorf("got  %v\nwant %v", w.b, want)
	}
	m := call{"d", "/p", "i", "M", "s", w.b}.message(9)
	if len(m)%8 != len(w.b)%8 || binary.LittleEndian.Uint32(m[4:]) != uint32(len(w.b)) || m[8] != 9 {
		t.Errorf("a message of %d bytes: %v", len(m), m)
	}
}

func TestReaderEnds(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{{}, {9}, {255, 255, 255, 255}, {4, 0, 0, 0, 'a'}} {
		r := &reader{b: b, order: binary.LittleEndian}
		if s := r.string(); r.err == nil {
			t.Errorf("%v: %q without an error", b, s)
		}
	}
}

// TestBus asks a real message bus, which throws out who sends what is no message: it has no systemd.
func TestBus(t *testing.T) {
	t.Parallel()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("no dbus-daemon")
	}
	socket := filepath.Join(t.TempDir(), "bus")
	cmd := exec.CommandContext(t.Context(), daemon, "--session", "--nofork", "--nopidfile", "--address=unix:path="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var b *bus
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if b, err = dial(t.Context(), socket, os.Geteuid()); err == nil || time.Now().After(until) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	u := Unit{"system.slice", "cove-x.scope"}
	for range 2 { // after an answer the connection is as good as before
		err = b.call(transient(u, os.Getpid()))
		if err == nil || !strings.Contains(err.Error(), "org.freedesktop.systemd1") {
			t.Fatalf("%v; want that nobody has the name", err)
		}
	}
	if _, err := dial(t.Context(), socket, os.Geteuid()+1); err == nil {
		t.Error("let in as somebody else")
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	pid, never, err := hold()
	if err != nil {
		t.Fatal(err)
	}
	h := &Held{pid: pid, never: never, dir: filepath.Join(t.TempDir(), "gone")}
	time.Sleep(20 * time.Millisecond)
	if err := unix.Kill(pid, 0); err != nil {
		t.Errorf("the holder has ended: %v", err)
	}
	h.Close()
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("the holder is still there: %v", err)
	}
}
