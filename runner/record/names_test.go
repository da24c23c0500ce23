package record

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"cove/internal/ids"
)

// TestCleanNamesByMany: cleaners who come at once do not fail because another was
// faster, and a name that is in use stays.
func TestCleanNamesByMany(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	living := ids.New()
	if err := os.MkdirAll(string(Of(root, living)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Claim(root, "living", living); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := Claim(root, "gone"+strconv.Itoa(i), ids.New()); err != nil {
			t.Fatal(err)
		}
		left := nameFile(root, "half"+strconv.Itoa(i)) + "." + ids.New()
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := CleanNames(root); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	entries, err := os.ReadDir(filepath.Dir(nameFile(root, "x")))
	if err != nil || len(entries) != 1 || entries[0].Name() != "living" {
		t.Errorf("left: %v, %v; want living alone", entries, err)
	}
}
