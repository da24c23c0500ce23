package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"cove/internal/strictyaml"
	"cove/registry/server/config"

	"github.com/opencontainers/go-digest"
)

// TestEveryStallEnds begins every request that the server knows, with and
// without an account, stops at every point where a client can stop, and waits
// for the server to close the connection.
func TestEveryStallEnds(t *testing.T) {
	s := newTestServer(t, config.Config{Limits: config.Limits{Stall: strictyaml.Duration(200 * time.Millisecond), Connections: 100_000}})
	blob := make([]byte, 16<<20) // more than the sockets' buffers hold
	if w := s.ask("POST", "/v2/team/app/blobs/uploads/?digest="+digest.FromBytes(blob).String(), "admin", "", blob); w.Code != http.StatusCreated {
		t.Fatalf("pushing: %d %s", w.Code, w.Body)
	}
	for _, run := range s.start() {
		go func() { _ = run.Serve() }() // ends with Close
		t.Cleanup(func() { _ = run.HTTP.Close() })
	}
	fill := strings.NewReplacer("{name}", "team/app", "{reference}", "v1", "{digest}", digest.FromBytes(blob).String(), "{upload}", "abc")
	admin := "Authorization: Basic " + basic("admin", testPassword) + "\r\n"
	stalls := map[string]string{ // what comes before the silence
		"nothing": "", "half a line": "GET /v2/ HT", "half a header": "GET /v2/ HTTP/1.1\r\nHost: x\r\nAuth", "TLS": "\x16\x03\x01",
		"of the server itself": "OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx",
	}
	for _, row := range allRoutes() {
		path := fill.Replace(row.Path)
		for who, auth := range map[string]string{"anonymous": "", "admin": admin} {
			head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n%s", row.Method, path, auth)
			name := who + " " + row.Method + " " + row.Path
			stalls[name+": no body"] = head + "Content-Length: 1000\r\n\r\n"
			stalls[name+": one byte"] = head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nx"
			stalls[name+": a chunk"] = head + "Transfer-Encoding: chunked\r\n\r\n5\r\nab"
			stalls[name+": answer"] = head + "\r\n"
		}
	}
	t.Logf("%d stalls", len(stalls))
	ended := make(chan string, len(stalls))
	for name, bytes := range stalls {
		go func() { // ends by its deadline
			if err := endsAfter(s.Address(), bytes, strings.HasSuffix(name, ": answer")); err != nil {
				ended <- name + ": " + err.Error()
				return
			}
			ended <- ""
		}()
	}
	for range stalls {
		if problem := <-ended; problem != "" {
			t.Error(problem)
		}
	}
}

// endsAfter writes and then waits, reading only at the end when the answer is
// what it does not take.
func endsAfter(address, bytes string, takesNothing bool) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, bytes); err != nil {
		return err
	}
	if takesNothing {
		time.Sleep(time.Second)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	_, err = io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the connection is still open")
	}
	return nil // closed or reset
}

func basic(name, password string) string {
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(name, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}
