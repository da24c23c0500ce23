package server_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a request left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
