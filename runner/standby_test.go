package runner_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/internal/ids"
)

// monitors are the processes whose command line ends with the directory of a
// container.
func monitors(t *testing.T, id string) (pids []string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lines {
		line, err := os.ReadFile(name)
		if err == nil && strings.HasSuffix(string(line), id+"\x00") {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}

func TestStandBy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)

	t.Run("used", func(t *testing.T) {
		cfg := f.config("sleep 100")
		cfg.ID = ids.New()
		m := f.StandBy(cfg.ID)
		before := monitors(t, cfg.ID)
		c := f.create(cfg)
		c.Use(m)
		for range 2 { // the second start has none at hand
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			after := monitors(t, cfg.ID)
			if len(after) != 1 || before != nil && after[0] != before[0] {
				t.Errorf("monitors: %v, before it was made %v", after, before)
			}
			if err := c.Kill(t.Context(), 9); err != nil {
				t.Fatal(err)
			}
			before = nil
		}
	})

	t.Run("not used", func(t *testing.T) {
		id := ids.New()
		m := f.StandBy(id)
		if m == nil || len(monitors(t, id)) != 1 {
			t.Fatalf("no monitor stands by: %v", m)
		}
		m.Close()
		for end := time.Now().Add(time.Minute); len(monitors(t, id)) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the monitor waits for nobody")
			}
		}
	})
}
