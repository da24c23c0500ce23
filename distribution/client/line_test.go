package client_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// choppy is a listener whose connections die after so many bytes, in either
// direction, while budget lasts.
type choppy struct {
	net.Listener
	after int64
	cuts  atomic.Int64 // still to make
	made  atomic.Int64
}

func (l *choppy) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &choppyConn{Conn: conn, l: l}, nil
}

type choppyConn struct {
	net.Conn
	l    *choppy
	mu   sync.Mutex
	seen int64
}

func (c *choppyConn) count(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen += int64(n)
	if c.seen < c.l.after || c.l.cuts.Add(-1) < 0 {
		return nil
	}
	c.l.made.Add(1)
	c.seen = 0
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
	return errors.New("cut")
}

func (c *choppyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if cerr := c.count(n); cerr != nil {
		return 0, cerr
	}
	return n, err
}

func (c *choppyConn) Write(p []byte) (sent int, err error) {
	for len(p) > 0 { // in small steps, so that a cut falls inside a body
		n, err := c.Conn.Write(p[:min(len(p), 16<<10)])
		sent, p = sent+n, p[n:]
		if cerr := c.count(n); err == nil {
			err = cerr
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// serveChoppy serves h and cuts connections after so many bytes, cuts times.
func serveChoppy(t *testing.T, h http.Handler, after, cuts int64) (host string, l *choppy) {
	t.Helper()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = &choppy{Listener: inner, after: after}
	l.cuts.Store(cuts)
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	srv.Start()
	t.Cleanup(srv.Close)
	return inner.Addr().String(), l
}

// counting counts body bytes and ranges of the handler below.
type counting struct {
	http.Handler
	body, received, ranges atomic.Int64
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Range") != "" || r.Header.Get("Content-Range") != "" {
		c.ranges.Add(1)
	}
	r.Body = &countingBody{r.Body, &c.received}
	c.Handler.ServeHTTP(&countingWriter{w, &c.body}, r)
}

type countingBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.n.Add(int64(n))
	return n, err
}
