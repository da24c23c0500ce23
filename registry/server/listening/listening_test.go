package listening_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cove/registry/server/listening"
)

// TestStop lets a request end that ends in time, and cuts off one that does not.
func TestStop(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		patience time.Duration
		answered bool
	}{{time.Minute, true}, {time.Millisecond, false}} {
		var told bytes.Buffer
		log := slog.New(slog.NewTextHandler(&told, nil))
		begun, goOn := make(chan struct{}), make(chan struct{})
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-goOn
			_, _ = io.WriteString(w, "done")
		})
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := listening.On(l, listening.Limits{Stall: time.Minute, Headers: 1 << 16}.HTTP(h, log))
		served := make(chan error, 1)
		go func() { served <- s.Serve() }()
		answer := make(chan string, 1)
		go func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), http.NoBody)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				answer <- err.Error()
				return
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			answer <- string(body)
		}()
		<-begun
		stopped := make(chan struct{})
		go func() {
			listening.Stop([]listening.Server{s}, tc.patience, log)
			close(stopped)
		}()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serving ended: %v", err)
		}
		if !tc.answered {
			<-stopped
		}
		close(goOn)
		if got := <-answer; (got == "done") != tc.answered {
			t.Errorf("with a patience of %v: %q", tc.patience, got)
		}
		<-stopped
		if strings.Contains(told.String(), "cut off") == tc.answered {
			t.Errorf("with a patience of %v the log says: %s", tc.patience, told.String())
		}
	}
}
