package proxy_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when something that was fetched from an upstream left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
