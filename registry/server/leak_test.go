package server

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a server that was closed, or something it answered, left a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(asked{m}) }

// asked are tests whose connections, which the client keeps, end with them.
type asked struct{ *testing.M }

func (a asked) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return a.M.Run()
}
