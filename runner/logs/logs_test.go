package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"cove/runner/logs/ship"
	"cove/runner/record"
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
{"log":"bad \"\\\u0001\u007f` + "\ufffd" + `\t\r\n","stream":"stderr","time":"2026-01-02T03:04:07.0000006Z","raw":"YmFkICJcAX//CQ0K"}
{"log":"two\n","stream":"stdout","time":"2026-01-02T03:04:08.0000006Z"}
{"log":"ü\n","stream":"stdout","time":"2026-01-02T03:04:09.0000006Z"}
{"log":"$ ","stream":"stdout","time":"2026-01-02T03:04:11.0000006Z"}
`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Error(diff)
	}
	out, errs := read(t, path, Options{Tail: -1})
	if out != "one\ntwo\nü\n$ " || errs != "bad \"\\\x01\x7f\xff\t\r\n" {
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
		"with its time":      {Options{Tail: 1, Timestamps: true}, at(99).Format("2006-01-02T15:04:05.000000000Z") + " line 99\n"},
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

// write logs text of streams by turns, and returns the log's path.
func write(t *testing.T, maxSize int64, parts ...[2]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, maxSize, 100, clock())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := w.Write(p[0], []byte(p[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLinesAreLines chooses lines that are stored in pieces, between pieces of
// the other stream's, in one file and over many.
func TestLinesAreLines(t *testing.T) {
	t.Parallel()
	a, b, c := strings.Repeat("a", 20_000), strings.Repeat("b", 40_000), strings.Repeat("c", maxText)
	at := func(write int) string {
		return time.Date(2026, 1, 2, 3, 4, 5+write, 600, time.UTC).Format("2006-01-02T15:04:05.000000000Z") + " "
	}
	parts := [][2]string{
		{"stdout", "first\n"},
		{"stderr", "e1\n"},
		{"stdout", a[:17_000]}, // the line begins
		{"stderr", "e2\n"},
		{"stdout", a[17_000:] + "\n"},
		{"stdout", b + "\n"},
		{"stderr", "e3"},
		{"stdout", c + "\n"},
		{"stderr", "!\n"},
		{"stdout", "no end"},
	}
	for _, maxSize := range []int64{0, 1000} {
		path := write(t, maxSize, parts...)
		for name, tt := range map[string]struct {
			o         Options
			out, errs string
		}{
			"all":            {Options{Tail: -1}, "first\n" + a + "\n" + b + "\n" + c + "\nno end", "e1\ne2\ne3!\n"},
			"none":           {Options{Tail: 0}, "", ""},
			"1":              {Options{Tail: 1}, "no end", ""},
			"2":              {Options{Tail: 2}, "no end", "e3!\n"},
			"3":              {Options{Tail: 3}, c + "\nno end", "e3!\n"},
			"4":              {Options{Tail: 4}, b + "\n" + c + "\nno end", "e3!\n"},
			"5":              {Options{Tail: 5}, a + "\n" + b + "\n" + c + "\nno end", "e3!\n"},
			"6":              {Options{Tail: 6}, a + "\n" + b + "\n" + c + "\nno end", "e2\ne3!\n"},
			"timestamps":     {Options{Tail: 4, Timestamps: true}, at(6) + b + "\n" + at(8) + c + "\n" + at(11) + "no end", at(9) + "e3!\n"},
			"since a piece":  {Options{Tail: -1, Since: time.Date(2026, 1, 2, 3, 4, 10, 0, time.UTC)}, b + "\n" + c + "\nno end", "e3!\n"},
			"until a piece":  {Options{Tail: -1, Until: time.Date(2026, 1, 2, 3, 4, 9, 0, time.UTC)}, "first\n" + a + "\n", "e1\n"},
			"between pieces": {Options{Tail: 5, Since: time.Date(2026, 1, 2, 3, 4, 9, 0, time.UTC)}, b + "\n" + c + "\nno end", "e3!\n"},
		} {
			out, errs := read(t, path, tt.o)
			if out != tt.out || errs != tt.errs {
				t.Errorf("%s, files of %d: %.60q (%d bytes) %q, want %.60q (%d bytes) %q", name, maxSize, out, len(out), errs, tt.out, len(tt.out), tt.errs)
			}
		}
	}
}

// TestAgainstAModel writes random lines in random pieces to both streams and
// compares every tail with what a list of lines says.
func TestAgainstAModel(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 11))
	for range 10 {
		var parts [][2]string
		var ends []string // the stream of each line, in the order of their ends
		text := map[string][]string{"stdout": {""}, "stderr": {""}}
		for range 40 {
			stream := []string{"stdout", "stderr"}[rnd.IntN(2)]
			piece := strings.Repeat([]string{"x", "ü", "\xff", "\\n", `\"`}[rnd.IntN(5)], rnd.IntN(12_000))
			lines := text[stream]
			lines[len(lines)-1] += piece
			if rnd.IntN(2) == 0 {
				piece += "\n"
				lines[len(lines)-1] += "\n"
				text[stream] = append(lines, "")
				ends = append(ends, stream)
			}
			parts = append(parts, [2]string{stream, piece})
		}
		for _, stream := range []string{"stdout", "stderr"} { // the order of Writer.Close
			if lines := text[stream]; lines[len(lines)-1] != "" {
				ends = append(ends, stream)
			} else {
				text[stream] = lines[:len(lines)-1]
			}
		}
		path := write(t, 50_000, parts...)
		for n := range len(ends) + 2 {
			count := map[string]int{}
			for _, stream := range ends[max(0, len(ends)-n):] {
				count[stream]++
			}
			out, errs := read(t, path, Options{Tail: n})
			for stream, got := range map[string]string{"stdout": out, "stderr": errs} {
				lines := text[stream]
				if want := strings.Join(lines[len(lines)-count[stream]:], ""); got != want {
					t.Fatalf("tail %d of %d, %s: %d bytes, want %d", n, len(ends), stream, len(got), len(want))
				}
			}
		}
	}
}

// TestBinary keeps every byte, and cuts no rune between two pieces.
func TestBinary(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, text := range map[string]string{
		"every byte":      strings.Repeat(string(all), 300),
		"runes":           "x" + strings.Repeat("ü€😀", 20_000),
		"half a rune":     strings.Repeat("y", maxText-1) + "\xf0\x9f",
		"no rune's start": strings.Repeat("\x80", 40_000),
		"many newlines":   strings.Repeat("\n", 40_000),
	} {
		path := write(t, 0, [2]string{"stdout", text[:len(text)/3]}, [2]string{"stdout", text[len(text)/3:]})
		if out, _ := read(t, path, Options{Tail: -1}); out != text {
			t.Errorf("%s: %d bytes, want %d", name, len(out), len(text))
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if marked := strings.Contains(string(raw), `"raw":`); marked == utf8.ValidString(text) {
			t.Errorf("%s: with raw bytes: %v", name, marked)
		}
	}
}

// TestFollowUntil ends at a time although the container goes on.
func TestFollowUntil(t *testing.T) {
	t.Parallel()
	path := write(t, 0, [2]string{"stdout", "old\n"})
	for name, until := range map[string]time.Time{"past": time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), "soon": time.Now().Add(50 * time.Millisecond)} {
		out, _ := read(t, path, Options{Tail: -1, Follow: make(chan struct{}), Until: until})
		if out != "old\n" {
			t.Errorf("%s: %q", name, out)
		}
	}
}

// TestRotationOfMuchAtOnce: no file is much larger than it may be, however much
// comes in one piece.
func TestRotationOfMuchAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, 4096, 3, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("stdout", bytes.Repeat([]byte("a line\n"), 5000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		info, err := os.Stat(rotated(path, i))
		if i == 3 {
			if err == nil {
				t.Error("a fourth file")
			}
			continue
		}
		if err != nil || info.Size() > 4096+200 || i > 0 && info.Size() < 2048 {
			t.Errorf("file %d: %v, %v", i, info, err)
		}
	}
}

// TestAge: files are rotated and removed by how old their lines are, also while nothing is
// printed, when they wait for a slow disk, and those of an earlier writer.
func TestAge(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "log")
		now := atomic.Int64{}
		now.Store(time.Now().UnixNano())
		pass := func(d time.Duration) { now.Add(int64(d)) }
		open := func() *Writer {
			w, err := Create(path, 0, 3, func() time.Time { return time.Unix(0, now.Load()) })
			if err == nil && waits {
				w.behind = ship.Queued(toFile{w}, 1<<20)
			}
			if err == nil {
				err = w.KeepFor(time.Hour)
			}
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		do := func(what func(w *Writer) error) {
			w := open()
			if err := errors.Join(what(w), w.Close()); err != nil {
				t.Fatal(err)
			}
		}
		add := func(text string) {
			do(func(w *Writer) error { return w.Write("stdout", []byte(text+"\n")) })
			at := time.Unix(0, now.Load())
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		kept := func(when, want string) {
			if got, _ := read(t, path, Options{Tail: -1}); got != want {
				t.Errorf("%s (waits: %v): %q, want %q", when, waits, got, want)
			}
		}
		add("one")
		pass(50 * time.Minute)
		add("two")
		if _, err := os.Stat(path + ".1"); err == nil {
			t.Error("rotated too early")
		}
		pass(11 * time.Minute)
		do((*Writer).age) // one is 61 minutes old: the file is rotated
		if _, err := os.Stat(path + ".1"); err != nil {
			t.Errorf("not rotated: %v", err)
		}
		add("three")
		kept("after an hour", "one\ntwo\nthree\n")
		pass(50 * time.Minute)
		do((*Writer).age) // two is 61 minutes old
		kept("when the last line is an hour old", "three\n")
		pass(2 * time.Hour)
		add("four")
		kept("long after", "four\n")
	}
}

// TestAgeOfWhatIsTorn: a first line that a crash tore is as old as whoever opens the file.
func TestAgeOfWhatIsTorn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(`{"log":"a`), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Create(path, 0, 0, clock())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.KeepFor(time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write("stdout", []byte("b\n")), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rotated: %v", err)
	}
}

// TestDetails shows what the options of a driver had kept with each line, as docker
// writes it.
func TestDetails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options, fields map[string]string
		raw, want       string
	}{
		{nil, nil, `"stdout","time":`, " a\n"},
		{
			map[string]string{"tag": "{{.Name}}/{{.ID}}"},
			map[string]string{"tier": "web & db", "b": "1"},
			`"stdout","attrs":{"b":"1","tag":"box/0123456789ab","tier":"web \u0026 db"},"time":`,
			"b=1,tag=box%2F0123456789ab,tier=web+%26+db a\n",
		},
	} {
		dir := record.Dir(t.TempDir())
		if err := dir.Write("name", []byte("box"), false); err != nil {
			t.Fatal(err)
		}
		w, err := Open(dir, record.Config{
			ID: "0123456789abcdef", Log: record.LogConfig{Options: c.options, Fields: c.fields},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write("stdout", []byte("a\n")), w.Close()); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(dir.Log())
		if err != nil || !strings.Contains(string(raw), c.raw) {
			t.Errorf("%s, %v: want %s", raw, err, c.raw)
		}
		if out, _ := read(t, dir.Log(), Options{Tail: 1, Details: true}); out != c.want {
			t.Errorf("%q, want %q", out, c.want)
		}
		out, _ := read(t, dir.Log(), Options{Tail: 1, Details: true, Timestamps: true})
		if when, rest, _ := strings.Cut(out, " "); len(when) < 30 || rest != c.want {
			t.Errorf("with times: %q", out)
		}
	}
}

// TestNonBlocking keeps whole lines, all of them when there is room for what waits, and
// rotates as ever.
func TestNonBlocking(t *testing.T) {
	t.Parallel()
	dir := record.Dir(t.TempDir())
	if err := dir.Write("name", []byte("box"), false); err != nil {
		t.Fatal(err)
	}
	w, err := Open(dir, record.Config{ID: "0123456789abcdef", Log: record.LogConfig{
		MaxSize: 4 << 10, MaxFile: 100, Options: map[string]string{"mode": "non-blocking", "max-buffer-size": "8m"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for i := range 500 {
		text := fmt.Sprintf("line %d\nand ", i)
		want += text
		if err := w.Write("stdout", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir.Log() + ".3"); err != nil {
		t.Error(err)
	}
	if out, _ := read(t, dir.Log(), Options{Tail: -1}); out != want {
		t.Errorf("%d bytes, want %d", len(out), len(want))
	}
}
