package client_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a transfer left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
