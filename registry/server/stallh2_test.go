package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"

	"cove/internal/strictyaml"
	"cove/registry/server/config"
)

// talk is what a client of HTTP/2 does before it goes silent.
type talk func(c *h2Client)

// h2Client speaks frame by frame, so that it can stop between any two.
type h2Client struct {
	conn  net.Conn
	frame *http2.Framer
	over  chan struct{} // closed when the server has refused or ended something; nil for who does not read
}

func (c *h2Client) preface() { _, _ = io.WriteString(c.conn, http2.ClientPreface) }

// settings begins a connection on which the server may send nothing of an answer but
// its header.
func (c *h2Client) settings() {
	c.preface()
	_ = c.frame.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
}

// headers begins a stream.
func (c *h2Client) headers(method, path, auth string, ends, whole bool) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "x"}, {":path", path}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	if auth != "" {
		_ = enc.WriteField(hpack.HeaderField{Name: "authorization", Value: auth})
	}
	_ = c.frame.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: block.Bytes(), EndStream: ends, EndHeaders: whole,
	})
}

// newServerOverTLS is a server that listens, from whose clients not much silence is taken.
func newServerOverTLS(t *testing.T, stall time.Duration) *Server {
	t.Helper()
	t.Setenv(AdminPasswordEnv, testPassword)
	cfg := config.Config{
		Root: filepath.Join(t.TempDir(), "root"), Listen: "127.0.0.1:0", Log: config.Log{Level: "error"},
		Limits: config.Limits{Stall: strictyaml.Duration(stall), Connections: 100_000},
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.closeListeners(), s.state.close(true)); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	for _, run := range s.start() {
		go func() { _ = run.Serve() }() // ends with Close
		t.Cleanup(func() { _ = run.HTTP.Close() })
	}
	return s
}

// TestEveryStallOverHTTP2Ends: a client stops between any two frames, or goes on to
// answer the server's PINGs and nothing else.
func TestEveryStallOverHTTP2Ends(t *testing.T) {
	s := newServerOverTLS(t, time.Second)
	blob := make([]byte, 4<<20) // more than a connection's buffers hold
	dgst := digest.FromBytes(blob).String()
	if w := s.ask("POST", "/v2/team/app/blobs/uploads/?digest="+dgst, "admin", "", blob); w.Code != http.StatusCreated {
		t.Fatalf("pushing: %d %s", w.Code, w.Body)
	}
	admin := "Basic " + basic("admin", testPassword)
	stalls := map[string]talk{
		"nothing after the handshake": func(*h2Client) {},
		"half a preface":              func(c *h2Client) { _, _ = io.WriteString(c.conn, http2.ClientPreface[:10]) },
		"no settings":                 func(c *h2Client) { c.preface() },
		"settings alone":              func(c *h2Client) { c.settings() },
		"half a frame":                func(c *h2Client) { c.settings(); _, _ = c.conn.Write([]byte{0, 0, 40, 1}) },
		"half a block of headers":     func(c *h2Client) { c.settings(); c.headers("GET", "/v2/", "", true, false) },
	}
	fill := strings.NewReplacer("{name}", "team/app", "{reference}", "v1", "{digest}", dgst, "{upload}", "abc")
	for _, row := range allRoutes() {
		path := fill.Replace(row.Path)
		for who, auth := range map[string]string{"anonymous": "", "admin": admin} {
			name := fmt.Sprintf("%s %s %s: ", who, row.Method, row.Path)
			stalls[name+"no body"] = func(c *h2Client) { c.settings(); c.headers(row.Method, path, auth, false, true) }
			stalls[name+"one byte"] = func(c *h2Client) {
				c.settings()
				c.headers(row.Method, path, auth, false, true)
				_ = c.frame.WriteData(1, false, []byte("x"))
			}
			stalls[name+"answer"] = func(c *h2Client) { c.settings(); c.headers(row.Method, path, auth, true, true) }
		}
	}
	t.Logf("%d stalls, each silent and with PINGs answered", len(stalls))
	type outcome struct {
		name string
		err  error
	}
	ended := make(chan outcome)
	shaking := make(chan struct{}, 8) // a handshake has its own limit, which a crowd would pass
	for name, talk := range stalls {
		for _, pings := range []bool{false, true} {
			go func() { // ends by its deadline
				ended <- outcome{fmt.Sprintf("%s (PINGs answered: %v)", name, pings), stallH2(s.Address(), talk, pings, shaking)}
			}()
		}
	}
	for range 2 * len(stalls) {
		if o := <-ended; o.err != nil {
			t.Errorf("%s: %v", o.name, o.err)
		}
	}
}

// stallH2 does what talk does and then waits for the end of the connection.
func stallH2(address string, talk talk, pings bool, shaking chan struct{}) error {
	conn, err := shake(address, shaking)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c := &h2Client{conn: conn, frame: http2.NewFramer(conn, conn)}
	talk(c)
	for {
		f, err := c.frame.ReadFrame()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errors.New("the connection is still open")
		case err != nil && !errors.As(err, new(http2.StreamError)):
			return nil // closed or reset
		}
		if ping, ok := f.(*http2.PingFrame); ok && pings && !ping.IsAck() {
			_ = c.frame.WritePing(true, ping.Data)
		}
		if settings, ok := f.(*http2.SettingsFrame); ok && pings && !settings.IsAck() {
			_ = c.frame.WriteSettingsAck()
		}
	}
}

// shake makes a connection. A handshake that a busy machine was too slow for ends as a
// stall does, and is made again: it is not what is tried here.
func shake(address string, shaking chan struct{}) (*tls.Conn, error) {
	shaking <- struct{}{}
	defer func() { <-shaking }()
	for begun := time.Now(); ; {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		cut := errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET)
		if !cut || time.Since(begun) > time.Minute {
			return conn, err
		}
	}
}
