package runclog

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// written are the lines of a log, and what came to stderr beside it.
func written(t *testing.T, l Log, toFile bool) (lines []string, stderr string) {
	t.Helper()
	dir := t.TempDir()
	errs, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	l.Stderr = errs
	if toFile {
		l.File = filepath.Join(dir, "log")
	}
	l.Debugf("step %d", 1)
	l.Warn("left out", "and this")
	l.Error(errors.New(`no "x"`))
	text, err := os.ReadFile(errs.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !toFile {
		return nil, string(text)
	}
	log, err := os.ReadFile(l.File)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(log), "\n"), "\n"), string(text)
}

func TestText(t *testing.T) {
	t.Parallel()
	lines, stderr := written(t, Log{Format: "text"}, true)
	if stderr != "cove-runtime: no \"x\"\n" {
		t.Errorf("stderr: %q", stderr)
	}
	want := []string{`level=warning msg="left out"`, `level=warning msg="and this"`, `level=error msg="no \"x\""`}
	if len(lines) != len(want) {
		t.Fatalf("%q", lines)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], `time="`) || !strings.HasSuffix(lines[i], " "+want[i]) {
			t.Errorf("%q, want %q", lines[i], want[i])
		}
	}
}

func TestJSONAndDebug(t *testing.T) {
	t.Parallel()
	lines, _ := written(t, Log{Format: "json", Debug: true}, true)
	var levels []string
	for _, line := range lines {
		var e struct {
			Level, Msg string
			Time       time.Time
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Msg == "" || time.Since(e.Time) > time.Hour {
			t.Errorf("%q: %v", line, err)
		}
		levels = append(levels, e.Level)
	}
	if got := strings.Join(levels, " "); got != "debug warning warning error" {
		t.Errorf("levels: %s", got)
	}
}

// TestStderr writes all but errors, which are there already, to stderr without a file.
func TestStderr(t *testing.T) {
	t.Parallel()
	_, stderr := written(t, Log{Format: "text"}, false)
	if strings.Count(stderr, "level=warning") != 2 || strings.Contains(stderr, "level=error") ||
		strings.Count(stderr, `no "x"`) != 1 {
		t.Errorf("%q", stderr)
	}
}

// TestUnwritable goes on where the log cannot be written.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	l := Log{File: filepath.Join(t.TempDir(), "no/such/dir"), Stderr: os.Stderr}
	l.Warn("lost")
}
