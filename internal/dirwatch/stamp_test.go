package dirwatch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := StampOf(filepath.Join(dir, "none")); got != (Stamp{}) {
		t.Errorf("of nothing: %v", got)
	}
	settled := func() Stamp {
		for StampOf(dir) == (Stamp{}) {
			time.Sleep(grain / 5)
		}
		return StampOf(dir)
	}
	first := settled()
	if again := StampOf(dir); again != first {
		t.Errorf("%v, then %v: nothing changed", first, again)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if now := settled(); now == first {
		t.Errorf("%v: a file was made", now)
	}
}
