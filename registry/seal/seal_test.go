package seal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cove/errdefs"
)

func rootOf(t *testing.T) *os.Root {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// TestSecrets seals by one box and opens by another of the same root; neither
// another root nor another owner opens it.
func TestSecrets(t *testing.T) {
	t.Parallel()
	root := rootOf(t)
	sealed, err := In(root).Seal("correct horse", "account a")
	if err != nil || sealed == "" || strings.Contains(sealed, "horse") {
		t.Fatalf("%q, %v", sealed, err)
	}
	if got, err := In(root).Open(sealed, "account a"); err != nil || got != "correct horse" {
		t.Errorf("opened %q, %v", got, err)
	}
	for name, open := range map[string]func() (string, error){
		"another's":    func() (string, error) { return In(root).Open(sealed, "account b") },
		"another root": func() (string, error) { return In(rootOf(t)).Open(sealed, "account a") },
		"cut":          func() (string, error) { return In(root).Open(sealed[:8], "account a") },
		"no base64":    func() (string, error) { return In(root).Open("%", "account a") },
	} {
		if got, err := open(); !errors.Is(err, errdefs.ErrInvalid) || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := In(root).Seal("", "account a"); err != nil || got != "" {
		t.Errorf("nothing: %q, %v", got, err)
	}
	info, err := root.Stat("keys/" + KeyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
}

// TestOneKey: many who make the key at once have the same one.
func TestOneKey(t *testing.T) {
	t.Parallel()
	root := rootOf(t)
	var all sync.WaitGroup
	sealed := make([]string, 8)
	for i := range sealed {
		all.Go(func() { sealed[i], _ = In(root).Seal("x", "y") })
	}
	all.Wait()
	box := In(root)
	for _, text := range sealed {
		if got, err := box.Open(text, "y"); err != nil || got != "x" {
			t.Errorf("%q, %v", got, err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(root.Name(), "keys"))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}
