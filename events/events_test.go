package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/errdefs"
	"cove/internal/filelock"
)

func started(n int) Event {
	return Event{Type: Container, Action: Start, ID: fmt.Sprint(n), Attributes: map[string]string{"name": "box"}}
}

func next(t *testing.T, r *Reader) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := r.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func reader(t *testing.T, l Log, o Options) *Reader {
	t.Helper()
	r, err := l.Read(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ids reads until Until.
func ids(t *testing.T, r *Reader) string {
	t.Helper()
	var all []string
	for {
		e, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return strings.Join(all, " ")
		}
		must(t, err)
		all = append(all, e.ID)
	}
}

func TestLiveAndReplayed(t *testing.T) {
	t.Parallel()
	l := Of(t.TempDir())
	empty := reader(t, l, Options{}) // before there is a file
	must(t, l.Append(started(1)))
	middle := time.Now()
	late := reader(t, l, Options{})
	must(t, l.Append(started(2), started(3)))
	for i := 1; i <= 3; i++ {
		if e := next(t, empty); e.ID != fmt.Sprint(i) || e.Action != Start || e.Attributes["name"] != "box" || e.Time.IsZero() {
			t.Errorf("got %+v", e)
		}
	}
	if e := next(t, late); e.ID != "2" {
		t.Errorf("from now on: %+v", e)
	}
	for want, o := range map[string]Options{
		"1 2 3": {Until: time.Now()},
		"2 3":   {Since: middle, Until: time.Now()},
		"1":     {Until: middle},
		"":      {Since: time.Now().Add(time.Hour), Until: time.Now()},
	} {
		if got := ids(t, reader(t, l, o)); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
	soon := reader(t, l, Options{Since: middle, Until: time.Now().Add(200 * time.Millisecond)})
	must(t, l.Append(started(4)))
	if got := ids(t, soon); got != "2 3 4" {
		t.Errorf("until soon: %q", got)
	}
}

// TestTorn is what a full disk, or a power cut, leaves.
func TestTorn(t *testing.T) {
	t.Parallel()
	l := Of(t.TempDir())
	must(t, l.Append(started(1)))
	live := reader(t, l, Options{})
	f, err := os.OpenFile(l.file(), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	for _, torn := range []string{"\x1e{\"type\":\"conta", "\x00\x00\x00", "\x1e\n", "\x1enonsense\n", "\x1e{}\n{"} {
		_, err := f.WriteString(torn)
		must(t, err)
	}
	must(t, f.Close())
	must(t, l.Append(started(2)))
	must(t, l.Append(started(3)))
	if got := ids(t, reader(t, l, Options{Until: time.Now()})); got != "1 2 3" {
		t.Errorf("read %q", got)
	}
	if a, b := next(t, live), next(t, live); a.ID != "2" || b.ID != "3" {
		t.Errorf("followed %v, %v", a, b)
	}
}

// TestRotation: several write at once while two follow, over several files.
func TestRotation(t *testing.T) {
	t.Parallel()
	l := Of(t.TempDir())
	const writers, each, size = 4, 200, 16 << 10 // 12 MB, three files
	followers := []*Reader{reader(t, l, Options{}), reader(t, l, Options{})}
	var wg sync.WaitGroup
	for _, r := range followers {
		wg.Go(func() {
			seen := map[string]int{}
			last := time.Time{}
			for range writers * each {
				e, err := r.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if e.Time.Before(last) {
					t.Errorf("%v after %v", e.Time, last)
				}
				last = e.Time
				seen[e.ID]++
			}
			if len(seen) != writers*each {
				t.Errorf("%d of %d events were told", len(seen), writers*each)
			}
		})
	}
	long := strings.Repeat("x", size)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				e := started(w*each + i)
				e.Attributes = map[string]string{"long": long}
				if err := l.Append(e); err != nil {
					t.Error(err)
				}
				awaitOpened(t, l, followers...)
			}
		})
	}
	wg.Wait()
	for _, name := range []string{l.file(), l.older()} {
		if info, err := os.Stat(name); err != nil || info.Size() > maxFile {
			t.Errorf("%v, %v", info, err)
		}
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil || len(entries) != 3 { // with the lock
		t.Errorf("%v, %v", entries, err)
	}
}

// awaitOpened waits until readers hold the newest file. A log goes through two files
// in minutes; a test that does in milliseconds would only ask who runs first.
func awaitOpened(t *testing.T, l Log, readers ...*Reader) {
	t.Helper()
	for _, r := range readers {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			info, err := os.Stat(l.file())
			r.mu.Lock()
			opened := err == nil && r.newest != nil && os.SameFile(info, r.newest)
			r.mu.Unlock()
			if opened {
				break
			}
			if t.Context().Err() != nil || time.Now().After(deadline) {
				t.Errorf("%s is not opened by its reader: %v", l.file(), err)
				return
			}
		}
	}
}

// TestSlowReader: who reads nothing while the log goes through many files finds all of
// it afterwards, and who falls behind without end is told so.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	l := Of(t.TempDir())
	slow, stopped := reader(t, l, Options{}), reader(t, l, Options{})
	long := strings.Repeat("x", 250<<10)
	const n = 8 * maxFile / (250 << 10)
	for i := range n {
		e := started(i)
		e.Attributes = map[string]string{"long": long}
		must(t, l.Append(e))
		awaitOpened(t, l, slow, stopped)
	}
	for i := range n {
		if e := next(t, slow); e.ID != fmt.Sprint(i) {
			t.Fatalf("event %s, not %d", e.ID, i)
		}
	}
	for i := range (maxBehind + 4) * maxFile / (250 << 10) {
		e := started(i)
		e.Attributes = map[string]string{"long": long}
		must(t, l.Append(e))
		awaitOpened(t, l, slow)
		next(t, slow)
	}
	stopped.mu.Lock()
	if n := len(stopped.queue); n > maxBehind+2 {
		t.Errorf("%d files are open of a reader that is too late", n)
	}
	stopped.mu.Unlock()
	var err error
	for range 2 * n {
		if _, err = stopped.Next(t.Context()); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "behind") {
		t.Errorf("of a reader that is too late: %v", err)
	}
}

// TestStoppedWriter: a record waits for one that is stopped, and then does not.
func TestStoppedWriter(t *testing.T) {
	t.Parallel()
	l := Of(t.TempDir())
	must(t, l.Append(started(1)))
	lock, err := l.lock(t.Context())
	must(t, err)
	defer filelock.Release(lock)
	must(t, l.Append(started(2)))
	if got := ids(t, reader(t, l, Options{Until: time.Now()})); got != "1 2" {
		t.Errorf("read %q", got)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	e := started(1)
	e.Attributes = map[string]string{"name": "box", "image": "busybox", "label": strings.Repeat("x", maxRecord)}
	record, err := encode(e)
	if err != nil || len(record) > 1000 || !bytes.Contains(record, []byte(`"box"`)) {
		t.Errorf("%d bytes, %v", len(record), err)
	}
	if (Log{}).Append(e) != nil {
		t.Error("a log of nothing fails")
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	box := Event{
		Type: Container, Action: ExecStart + ": ls -l", ID: "abcdef",
		Attributes: map[string]string{"name": "box", "image": "localhost:5000/redis:7", "tier": "db"},
	}
	pull := Event{Type: Image, Action: Pull, ID: "redis:7", Attributes: map[string]string{"name": "redis"}}
	plug := Event{Type: Network, Action: Connect, ID: "123456", Attributes: map[string]string{"name": "web", "container": "abcdef"}}
	for _, tt := range []struct {
		filter Filter
		want   string // which of the three
	}{
		{nil, "box pull plug"},
		{Filter{"type": {"container", "image"}}, "box pull"},
		{Filter{"container": {"abc"}}, "box"},
		{Filter{"container": {"box"}}, "box"},
		{Filter{"container": {"abcdef"}}, "box plug"},
		{Filter{"event": {"exec_start"}}, "box"},
		{Filter{"event": {"exec_start: ls -l"}}, "box"},
		{Filter{"event": {"exec"}}, ""},
		{Filter{"event": {"pull", "connect"}}, "pull plug"},
		{Filter{"image": {"localhost:5000/redis"}}, "box"},
		{Filter{"image": {"redis"}}, "pull"},
		{Filter{"image": {"redis:7"}}, "pull"},
		{Filter{"label": {"tier"}}, "box"},
		{Filter{"label": {"tier=db", "name=box"}}, "box"},
		{Filter{"label": {"tier=db", "name=other"}}, ""},
		{Filter{"network": {"web"}}, "plug"},
		{Filter{"volume": {"web"}}, ""},
		{Filter{"scope": {"local"}, "type": {"image"}}, "pull"},
		{Filter{"daemon": {"x"}}, ""},
	} {
		must(t, tt.filter.Check())
		var got []string
		for _, e := range []struct {
			name string
			Event
		}{{"box", box}, {"pull", pull}, {"plug", plug}} {
			if tt.filter.Matches(e.Event) {
				got = append(got, e.name)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%v: %v, want %s", tt.filter, got, tt.want)
		}
	}
	if err := (Filter{"colour": {"red"}}).Check(); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("colour: %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := Of(b.TempDir())
	for b.Loop() {
		if err := l.Append(started(1)); err != nil {
			b.Fatal(err)
		}
	}
}
