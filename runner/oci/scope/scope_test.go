package scope

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
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

// systemdOnBus takes calls as systemd has them.
type systemdOnBus struct{ calls chan []any }

func (s systemdOnBus) StartTransientUnit(name, mode string, properties []property, others []unit) (dbus.ObjectPath, *dbus.Error) {
	if name == "cove-taken.scope" {
		return "/", dbus.NewError(systemd+".UnitExists", []any{"Unit " + name + " was already loaded"})
	}
	s.calls <- []any{name, mode, properties, others}
	return "/job", nil
}

// TestBus asks over a real message bus, which throws out who sends what is no message, and refuses
// what has not the types of the method.
func TestBus(t *testing.T) {
	t.Parallel()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("no dbus-daemon")
	}
	address := "unix:path=" + filepath.Join(t.TempDir(), "bus")
	cmd := exec.CommandContext(t.Context(), daemon, "--session", "--nofork", "--nopidfile", "--address="+address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var bus *dbus.Conn
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if bus, err = dial(t.Context(), address); err == nil || time.Now().After(until) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	u := Unit{"machine.slice", "cove-x.scope"}
	if err := makeScope(t.Context(), bus, u, 7); err == nil || !strings.Contains(err.Error(), systemd) {
		t.Fatalf("%v; want that nobody has the name", err)
	}
	other, err := dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s := systemdOnBus{make(chan []any, 1)}
	if err := other.Export(s, "/org/freedesktop/systemd1", systemd+".Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.RequestName(systemd, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	if err := makeScope(t.Context(), bus, u, 7); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(<-s.calls)
	for _, want := range []string{"[cove-x.scope fail [", `{Slice "machine.slice"}`, "{PIDs @au [7]}", "{Delegate true}", "] []]"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if err := makeScope(t.Context(), bus, Unit{"a.slice", "cove-taken.scope"}, 7); err == nil || !strings.Contains(err.Error(), "already loaded") {
		t.Errorf("a name that is taken: %v", err)
	}
	var names []string
	if err := bus.BusObject().Call("org.freedesktop.DBus.ListQueuedOwners", 0, systemd).Store(&names); err != nil || len(names) != 1 {
		t.Errorf("after a refusal the connection is as good as before: %v, %v", names, err)
	}
	if _, err := dial(t.Context(), address+"-not"); err == nil {
		t.Error("connected to a bus that is not there")
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
