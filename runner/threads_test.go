package runner_test

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"cove/runner"
	"cove/runner/record"
)

// TestExecsLeaveNoThread: a monitor has a thread for each process that runs, which is its
// parent; when many that ran beside each other have ended, theirs have, too.
func TestExecsLeaveNoThread(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.start(f.config("sleep 1000"))
	st, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	threads := func() int {
		tasks, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(st.Monitor), "task"))
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks)
	}
	const together, rounds = 20, 4
	for range rounds {
		var ends []io.Closer
		var begun, running sync.WaitGroup
		begun.Add(together)
		for range together {
			in, out := io.Pipe()
			ends = append(ends, out)
			running.Go(func() {
				st := runner.Streams{Stdin: in, Stdout: &firstWord{tell: begun.Done}, Stderr: io.Discard}
				exec := record.ExecConfig{Args: []string{"sh", "-c", "echo begun; cat"}}
				if status, err := c.Exec(t.Context(), exec, st); err != nil || status.Code != 0 {
					t.Errorf("%+v %v", status, err)
				}
			})
		}
		begun.Wait()
		most := threads()
		for _, end := range ends {
			if err := end.Close(); err != nil {
				t.Error(err)
			}
		}
		running.Wait()
		// The Go runtime keeps those that waited for something else, for the next time.
		eventually(t, "their threads end", func() bool { return threads() <= most-together/2 })
		t.Logf("%d threads with %d processes, %d after them", most, together, threads())
	}
}

// firstWord tells of the first thing that is written.
type firstWord struct {
	once sync.Once
	tell func()
}

func (f *firstWord) Write(b []byte) (int, error) {
	f.once.Do(f.tell)
	return len(b), nil
}
