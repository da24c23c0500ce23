package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/builder/buildctx"
	"cove/errdefs"
)

// rewriting overwrites a file of the context, piece by piece, again and again
// until stop is called; then the file holds what stop returns.
func (w *world) rewriting(name string) (stop func() string) {
	w.t.Helper()
	const pieces = 8
	state := func(i int) string { return strings.Repeat(fmt.Sprintf("%07d\n", i), 4096) }
	w.write(map[string]string{name: state(0)})
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	end, last := make(chan struct{}), make(chan string)
	go func() {
		defer f.Close()
		for i := 1; ; i++ {
			text := state(i)
			for at := 0; at < len(text); at += len(text) / pieces {
				_, _ = f.WriteAt([]byte(text[at:at+len(text)/pieces]), int64(at))
			}
			select {
			case <-end:
				last <- text
				return
			default:
			}
		}
	}()
	return sync.OnceValue(func() string { close(end); return <-last })
}

// TestBuildReadsWhatItWrites: cove build . | tee build.log, with the log in the
// context, at every event of the build.
func TestBuildReadsWhatItWrites(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", "RUN write /more x\n"} {
		w := newWorld(t)
		w.write(map[string]string{"a": "A", "build.log": ""})
		log, err := os.OpenFile(filepath.Join(w.dir, "build.log"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		b, err := w.build("FROM base\nCOPY . /c\nCOPY build.log /d\n"+more, func(r *Request) {
			r.Progress = func(e Event) { fmt.Fprintf(log, "an event of the build: %v\n", e.Kind) }
		})
		if err != nil {
			t.Fatal(err)
		}
		if b.files["c/a"] != "644 0:0 A" || !strings.HasPrefix(b.files["c/build.log"], "644 0:0 ") {
			t.Errorf("%q", b.files)
		}
	}
}

// TestGrowsAllTheTime: a log that others write to without a pause is taken as it
// was at one moment.
func TestGrowsAllTheTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "A", "app.log": "begun\n"})
	log, err := os.OpenFile(filepath.Join(w.dir, "app.log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(time.Millisecond):
				fmt.Fprintf(log, "%07d\n", i)
			}
		}
	}()
	b, err := w.build("FROM base\nCOPY . /c\n")
	close(end)
	<-ended
	if err := errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(filepath.Join(w.dir, "app.log"))
	if got := strings.TrimPrefix(b.files["c/app.log"], "644 0:0 "); err != nil || !strings.HasPrefix(string(all), got) || !strings.HasSuffix(got, "\n") {
		t.Errorf("the image has %d bytes, not a beginning of the log (%v)", len(got), err)
	}
}

// TestReadsUntilStill: a file that is replaced while the build begins is taken
// as it is when it is still.
func TestReadsUntilStill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "A"})
	stop := w.rewriting("moving")
	defer stop()
	last := make(chan string, 1)
	time.AfterFunc(50*time.Millisecond, func() { last <- stop() })
	b, err := w.build("FROM base\nCOPY . /c\n")
	want := "644 0:0 " + <-last
	if err != nil {
		t.Fatal(err)
	}
	if got := b.files["c/moving"]; got != want {
		t.Errorf("the image has %.40q, want the last state %.40q", got, want)
	}
	w.checkClean()
}

// TestNeverStill: what goes on changing is refused in the end, by name. On a busy machine
// whoever writes may stand still for as long as one build reads; not for many in a row.
func TestNeverStill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "A"})
	stop := w.rewriting("moving")
	var err error
	for try := 0; err == nil && try < 100; try++ {
		_, err = w.build("FROM base\nCOPY . /c\n")
	}
	stop()
	if !errors.Is(err, buildctx.ErrChanged) || !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "moving: it changed while the build read it") {
		t.Errorf("%v", err)
	}
	w.checkClean()
}
