package memstore_test

import (
	"testing"

	"cove/content"
	"cove/content/contenttest"
	"cove/content/memstore"
)

func TestStore(t *testing.T) {
	t.Parallel()
	contenttest.Run(t, func(*testing.T) content.Store { return memstore.New(nil) })
}
