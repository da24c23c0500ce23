package fsstore

import (
	"testing"

	"cove/content"
	"cove/content/contenttest"
)

func open(t *testing.T, root string, opts Options) *Store {
	t.Helper()
	s, err := Open(root, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	contenttest.Run(t, func(t *testing.T) content.Store { return open(t, t.TempDir(), Options{}) })
}
