package distributiontest_test

import (
	"testing"
	"time"

	"cove/content/fsstore"
	"cove/content/memstore"
	"cove/distribution/distributiontest"
)

func TestMemory(t *testing.T) {
	distributiontest.Run(t, func(*testing.T) distributiontest.Subject {
		return distributiontest.Subject{Registry: distributiontest.NewMemory(memstore.New(time.Now))}
	})
}

// TestMemoryOverFiles goes the road on which the kernel sends blobs.
func TestMemoryOverFiles(t *testing.T) {
	distributiontest.Run(t, func(t *testing.T) distributiontest.Subject {
		store, err := fsstore.Open(t.TempDir(), fsstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return distributiontest.Subject{Registry: distributiontest.NewMemory(store)}
	})
}
