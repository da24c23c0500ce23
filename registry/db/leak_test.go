package db

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when something that was closed left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
