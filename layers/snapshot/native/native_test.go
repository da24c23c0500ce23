package native_test

import (
	"testing"

	"cove/layers/snapshot"
	"cove/layers/snapshot/native"
	"cove/layers/snapshot/snapshottest"
)

func open(root string) (snapshot.Store, error) { return native.New(root) }

func TestMain(m *testing.M) { snapshottest.Main(m, open) }

func TestStore(t *testing.T) { snapshottest.Run(t, open) }
