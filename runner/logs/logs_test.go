package logs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func clock() func() time.Time {
	t := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	return func() time.Time { t = t.Add(time.Second); return t }
}

func read(t *testing.T, path string, o Options) (string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	if err := Read(context.Background(), path, o, &out, &errs); err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}

func TestFormat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, 0, 0, clock())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct{ stream, text string }{
		{"stdout", "one\ntw"},
		{"stderr", "bad \"\\\x01\x7f\xff\t\r\n"},
		{"stdout", "o\nü"[:3]},
		{"stdout", "ü"[1:] + "\n"},
		{"stdout", "$ "},
	} {
		if err := w.Write(s.stream, []byte(s.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"log":"one\n","stream":"stdout","time":"2026-01-02T03:04:06.0000006Z"}
{"log":"bad \"\\\u0001\u007f` + "\ufffd" + `\t\r\n","stream":"stderr","time":"2026-01-02T03:04:07.0000006Z"}
{"log":"two\n","stream":"stdout","time":"2026-01-02T03:04:08.0000006Z"}
{"log":"ü\n","stream":"stdout","time":"2026-01-02T03:04:09.0000006Z"}
{"log":"$ ","stream":"stdout","time":"2026-01-02T03:04:11.0000006Z"}
`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Error(diff)
	}
	out, errs := read(t, path, Options{Tail: -1})
	if out != "one\ntwo\nü\n$ " || errs != "bad \"\\\x01\x7f\ufffd\t\r\n" {
		t.Errorf("%q %q", out, errs)
	}
}

func TestLongLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, 0, 0, clock())
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 3*maxText) + "\nend\n"
	for rest := long; rest != ""; {
		n := min(len(rest), 5000)
		if err := w.Write("stdout", []byte(rest[:n])); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	w.Close()
	if out, _ := read(t, path, Options{Tail: -1}); out != long {
		t.Errorf("%d bytes, want %d", len(out), len(long))
	}
}

// TestChoice rotates a log of 100 lines over three files and chooses from it.
func TestChoice(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, 2000, 3, clock())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := w.Write("stdout", fmt.Appendf(nil, "line %d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("log.3 exists")
	}
	all, _ := read(t, path, Options{Tail: -1})
	first := 100 - strings.Count(all, "\n")
	if first < 1 || first > 45 || !strings.HasPrefix(all, fmt.Sprintf("line %d\n", first)) {
		t.Errorf("keeps from line %d on: %.20q", first, all)
	}
	lines := func(from, to int) (s string) {
		for i := from; i < to; i++ {
			s += fmt.Sprintf("line %d\n", i)
		}
		return s
	}
	at := func(line int) time.Time { return time.Date(2026, 1, 2, 3, 4, 6+line, 600, time.UTC) }
	for name, tt := range map[string]struct {
		o    Options
		want string
	}{
		"all":                {Options{Tail: -1}, lines(first, 100)},
		"tail 0":             {Options{}, ""},
		"tail 3":             {Options{Tail: 3}, lines(97, 100)},
		"tail across a file": {Options{Tail: 50}, lines(50, 100)},
		"tail more than all": {Options{Tail: 500}, lines(first, 100)},
		"since":              {Options{Tail: -1, Since: at(98)}, lines(98, 100)},
		"until":              {Options{Tail: -1, Until: at(first + 1)}, lines(first, first+2)},
		"tail, then until":   {Options{Tail: 3, Until: at(97)}, lines(97, 98)},
		"with its time":      {Options{Tail: 1, Timestamps: true}, at(99).Format(time.RFC3339Nano) + " line 99\n"},
	} {
		if got, _ := read(t, path, tt.o); got != tt.want {
			t.Errorf("%s: %s", name, cmp.Diff(tt.want, got))
		}
	}
}

func TestFollowAcrossRotations(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	done := make(chan struct{})
	var out bytes.Buffer
	finished := make(chan error, 1)
	go func() {
		finished <- Read(context.Background(), path, Options{Tail: -1, Follow: done}, &out, nil)
	}()
	w, err := Create(path, 2000, 100, clock())
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range 500 {
		fmt.Fprintf(&want, "line %d\n", i)
		if err := w.Write("stdout", fmt.Appendf(nil, "line %d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	close(done)
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTornEntry(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	text := `{"log":"a\n","stream":"stdout","time":"2026-01-02T03:04:06Z"}` + "\n" + `{"log":"b` + "\n" + `{"log":"c\n","stream":"stdout","time":"2026-01-02T03:04:07Z"}` + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := read(t, path, Options{Tail: -1}); out != "a\nc\n" {
		t.Errorf("%q", out)
	}
	if out, _ := read(t, filepath.Join(t.TempDir(), "none"), Options{Tail: -1}); out != "" {
		t.Errorf("%q", out)
	}
}
