package listening_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
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

// TestSlowHeaders: a client has its stall for a header, and for the handshake before it, as the documents say: the
// machines of a cluster that all come at once are slow together.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{25 * time.Second: "HTTP/1.1 200 OK\r\n", 35 * time.Second: ""} {
		synctest.Test(t, func(t *testing.T) {
			l := &piped{conns: make(chan net.Conn)}
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
			s := listening.Limits{Stall: 30 * time.Second, Headers: 1 << 16}.HTTP(h, slog.New(slog.DiscardHandler))
			go func() { _ = s.Serve(l) }()
			here, there := net.Pipe()
			l.conns <- there
			_, _ = io.WriteString(here, "GET / HTTP/1.1\r\nHost: x\r\n")
			time.Sleep(after)
			go func() { _, _ = io.WriteString(here, "\r\n") }()
			if got, _ := bufio.NewReader(here).ReadString('\n'); got != want {
				t.Errorf("after %v: %q", after, got)
			}
			_, _ = here.Close(), s.Close()
		})
	}
}

// piped is a listener whose connections need no network, so that time is the test's own.
type piped struct{ conns chan net.Conn }

func (p *piped) Accept() (net.Conn, error) {
	conn, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p *piped) Close() error { close(p.conns); return nil }

func (p *piped) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
