package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestStalledClientsAreDropped sends half a body and then nothing: the request
// ends, and what arrived can be gone on with.
func TestStalledClientsAreDropped(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	srv := httptest.NewServer(Deadlines(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	}), 100*time.Millisecond))
	defer srv.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("half a body was taken for a whole one")
		}
	case <-time.After(10 * time.Second):
		t.Error("the request never ended")
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// TestSlowClientsAreServed reads an answer more slowly than a piece of it may
// take as a whole, but never stalls.
func TestSlowClientsAreServed(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "blob")
	// The client takes a piece of 4 MiB in a seventh of the deadline, which leaves
	// a busy machine room. When the deadline is over, more is left to send than
	// the sockets' buffers hold.
	const size, deadline = 44 << 20, 3 * time.Second
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(Deadlines(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		http.ServeContent(w, r, "", time.Time{}, f)
	}), deadline))
	defer srv.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := int64(0)
	start := time.Now()
	for err == nil {
		var n int64
		n, err = io.CopyN(io.Discard, resp.Body, 1<<20)
		got += n
		time.Sleep(deadline / 30)
	}
	if got != size || time.Since(start) < deadline {
		t.Errorf("%d bytes in %v, %v; want %d in longer than one deadline", got, time.Since(start), err, size)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}
