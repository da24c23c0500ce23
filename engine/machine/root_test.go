package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner/record"
	"cove/sandbox/rootless"
)

func TestNeedRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if err := NeedRoot("a test"); err != nil {
		t.Error(err)
	}
	if err := BecomeRoot(t.Context(), func(note string) { t.Error(note) }); err != nil {
		t.Error(err)
	}
	if err := NeedNetworks("a test"); err != nil {
		t.Error(err)
	}
	if uid, ok := Rootless(); ok {
		t.Errorf("root is the ordinary user %d", uid)
	}
	if SingleID() {
		t.Error("root has one id alone")
	}
}

// An ordinary user's root and run directories are where the XDG specification has
// them, and are found again by who comes without its variables.
func TestDirectories(t *testing.T) {
	home, run := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("XDG_RUNTIME_DIR", run)
	if got, want := userRoot(), filepath.Join(home, ".local/share/cove"); got != want {
		t.Errorf("root is %s, want %s", got, want)
	}
	if got, want := userRun("/r"), filepath.Join(run, "cove"); got != want {
		t.Errorf("run is %s, want %s", got, want)
	}
	t.Setenv("XDG_DATA_HOME", "/data")
	t.Setenv("XDG_RUNTIME_DIR", "relative")
	if got := userRoot(); got != "/data/cove" {
		t.Errorf("root is %s", got)
	}
	if got := userRun("/r"); got != "/r/run" && !strings.HasPrefix(got, "/run/user/") {
		t.Errorf("run is %s", got)
	}
	if os.Geteuid() == 0 {
		if got := DefaultRoot(); got != "/var/lib/cove" {
			t.Errorf("root's root is %s", got)
		}
		if got := RunDir(userRoot()); got != "" {
			t.Errorf("root's run is %s", got)
		}
	}
}

// Ranges of an ordinary user come after the one that containers without a user
// namespace of their own have.
func TestOwnFreeIDs(t *testing.T) {
	t.Parallel()
	if rootless.Groups() < 3*idRange {
		t.Skip("needs all ids of the machine")
	}
	first, err := ownFreeIDs(nil)
	if err != nil || first.UIDs[0].Outside != idRange || first.GIDs[0].Size != idRange {
		t.Errorf("%+v, %v", first, err)
	}
	second, err := ownFreeIDs(map[uint32]bool{idRange: true})
	if err != nil || second.UIDs[0].Outside != 2*idRange {
		t.Errorf("%+v, %v", second, err)
	}
	all := map[uint32]bool{}
	for n := uint32(1); n != 0 && len(all) < 1<<16; n++ {
		all[n*idRange] = true
	}
	if _, err := ownFreeIDs(all); !errors.Is(err, errdefs.ErrExhausted) {
		t.Errorf("with all taken: %v", err)
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	f, err := Facts(runspec.Options{Devices: []record.Device{{Source: "/dev/null", Target: "/dev/mine", Access: "rw"}}})
	if err != nil || f.Groups == 0 || len(f.Devices) != 1 || f.Devices[0].Path != "/dev/mine" {
		t.Errorf("%+v, %v", f, err)
	}
}
