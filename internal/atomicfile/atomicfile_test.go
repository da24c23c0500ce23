package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func openRoot(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, keep := range []Keep{Durable, Volatile} {
		root := openRoot(t)
		for _, content := range []string{"first", "second, and longer", ""} {
			if err := Write(root, "secret", []byte(content), 0o600, keep); err != nil {
				t.Fatal(err)
			}
			got, err := root.ReadFile("secret")
			fi, errStat := root.Stat("secret")
			if err != nil || errStat != nil || string(got) != content || fi.Mode().Perm() != 0o600 {
				t.Errorf("%q, %v, %v; want %q", got, err, errStat, content)
			}
		}
	}
}

func TestTheModeIsWhatWasAsked(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(name, nil, 0o666, Volatile); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(name); err != nil || fi.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v: the umask must not show", fi.Mode(), err)
	}
}

// A folder that is missing, one in the way, a way out, and content that cannot
// be made leave what was there, and nothing else.
func TestWhatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	root := openRoot(t)
	if err := Write(root, "kept", []byte("old"), 0o600, Durable); err != nil {
		t.Fatal(err)
	}
	if err := root.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nowhere/file", "../outside", "folder"} {
		err := Write(root, name, []byte("x"), 0o600, Durable)
		if err == nil {
			t.Errorf("%s was written", name)
		} else if !strings.Contains(err.Error(), " "+name+": ") || strings.Contains(err.Error(), tempSuffix) {
			t.Errorf("%s: %v: want its name, and no other", name, err)
		}
	}
	broken := errors.New("no more bytes")
	err := Replace(root, "kept", 0o600, Durable, func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("Replace: %v, want %v", err, broken)
	}
	if got, err := root.ReadFile("kept"); string(got) != "old" {
		t.Errorf("kept holds %q, %v", got, err)
	}
	d, err := root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if names, err := d.Readdirnames(-1); err != nil || len(names) != 2 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

func TestIsTemp(t *testing.T) {
	t.Parallel()
	if name := tempName("dir/state.json"); !IsTemp(name) || !strings.HasPrefix(name, "dir/.state.json") {
		t.Errorf("tempName made %q", name)
	}
	for _, name := range []string{"state.json", ".tmp-", ".tmp-AAAAAAAAAAAA", "a.tmp-AAAAAAAAAAAA", ".a.tmp-short", ""} {
		if IsTemp(name) {
			t.Errorf("%q is no temporary name", name)
		}
	}
}

func Example() {
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "state.json")
	if err := WriteFile(name, []byte(`{"ok":true}`), 0o600, Durable); err != nil {
		return
	}
	b, _ := os.ReadFile(name)
	_, _ = os.Stdout.Write(b)
	// Output: {"ok":true}
}

func TestRemoveTemps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	temp := tempName("state.json")
	for _, name := range []string{temp, "state.json", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveTemps(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{temp: false, "state.json": true, ".hidden": true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := RemoveTemps(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// TestWriteFull replaces files of a disk that is full.
func TestWriteFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("needs root, to mount a disk that can be filled: ", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	name := filepath.Join(dir, "state")
	if err := WriteFile(name, []byte(strings.Repeat("a", 100)), 0o600, Volatile); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling it: %v", err)
	}
	for _, text := range []string{"shorter", strings.Repeat("b", 200), "", strings.Repeat("c", 4096)} {
		if err := WriteFile(name, []byte(text+"x"), 0o600, Volatile); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("it has room: %v", err)
		}
		if err := WriteFull(Host{}, name, []byte(text), 0o600, Durable); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || strings.TrimRight(string(got), " ") != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
	if err := WriteFull(Host{}, name, make([]byte, 4097), 0o600, Durable); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("more than there is room for: %v", err)
	}
	if err := WriteFull(Host{}, filepath.Join(dir, "new"), []byte("x"), 0o600, Durable); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a file that is not there: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
