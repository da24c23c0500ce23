package migrate_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when something that was taken over left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
