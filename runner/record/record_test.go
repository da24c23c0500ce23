package record

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cove/errdefs"
	"cove/internal/ids"
)

func testDir(t *testing.T) Dir {
	t.Helper()
	d := Dir(filepath.Join(t.TempDir(), "containers", "abc"))
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestState(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	if _, err := d.State(); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no state: %v", err)
	}
	want := State{Status: Running, Pid: 7, StartedAt: time.Unix(1, 2).UTC()}
	for _, durable := range []bool{false, true} {
		if err := d.SetState(want, durable); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.State(); err != nil || got.Status != Running || got.Pid != 7 || !got.StartedAt.Equal(want.StartedAt) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(d.Path("state.json"), []byte(`{"status":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.State(); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("torn state: %v", err)
	}
	if d.ID() != "abc" || d.Root() != filepath.Dir(filepath.Dir(string(d))) {
		t.Errorf("%s in %s", d.ID(), d.Root())
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	held, err := d.Lock("monitor", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock("monitor", false); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("held lock: %v", err)
	}
	if f, err := d.Lock("control", false); err != nil {
		t.Errorf("another lock: %v", err)
	} else {
		f.Close()
	}
	held.Close()
	if f, err := d.Lock("monitor", true); err != nil {
		t.Errorf("freed lock: %v", err)
	} else {
		f.Close()
	}
	if _, err := Dir(filepath.Join(t.TempDir(), "gone")).Lock("monitor", false); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no directory: %v", err)
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	now := time.Unix(5, 0)
	st := State{Status: Running, Pid: 3, Monitor: 2, BootID: ids.Boot()}
	if got := st.Lost(now); got.Status != Exited || got.ExitCode != 255 || got.Error != "monitor killed" || got.Pid != 0 || !got.FinishedAt.Equal(now) {
		t.Errorf("%+v", got)
	}
	st.BootID = "another"
	if got := st.Lost(now); got.Error != "the machine was restarted" {
		t.Errorf("%+v", got)
	}
}
