package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"

	"golang.org/x/sys/unix"
)

func write(text string, fails error) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return errors.Join(err, fails)
	}
}

// TestWriteFile: all of a file or nothing of it, and what was there stays.
func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	broken := errors.New("broken")
	has := func(what, want string, perm os.FileMode) {
		t.Helper()
		text, err := os.ReadFile(name)
		info, serr := os.Stat(name)
		if err != nil || serr != nil || string(text) != want || info.Mode().Perm() != perm {
			t.Errorf("%s: %q, %v, %v", what, text, info, err)
		}
	}
	if err := WriteFile(name, write("half", broken)); !errors.Is(err, broken) {
		t.Errorf("a write that fails: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it left %v, %v", entries, err)
	}
	if err := WriteFile(name, write("whole", nil)); err != nil {
		t.Fatal(err)
	}
	has("written", "whole", 0o600)
	if err := WriteFile(name, write("half", broken)); !errors.Is(err, broken) {
		t.Errorf("a write over it that fails: %v", err)
	}
	has("after a failure", "whole", 0o600)
	if err := WriteText(name, []byte("text")); err != nil {
		t.Fatal(err)
	}
	has("a text", "text", 0o644)
	if err := WriteFile(filepath.Join(dir, "none", "file"), write("x", nil)); !errors.Is(err, errdefs.ErrInvalid) ||
		!strings.Contains(err.Error(), "does not exist") {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

// TestWriteFileToAPipe writes in place: nothing can take the place of a pipe.
func TestWriteFileToAPipe(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		read <- string(text)
	}()
	if err := WriteFile(name, write(strings.Repeat("x", 100_000), nil)); err != nil {
		t.Fatal(err)
	}
	if got := <-read; len(got) != 100_000 {
		t.Errorf("%d bytes came", len(got))
	}
	if info, err := os.Lstat(name); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("it is a pipe no more: %v, %v", info, err)
	}
}
