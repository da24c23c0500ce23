// Package taken takes over connections on which a request came, and serves HTTP/2 on them.
package taken

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cove/errdefs"
)

// Serve serves HTTP/2 on one connection, until that ends. Requests have the context, as whoever
// asks is whoever asked before.
func Serve(ctx context.Context, conn net.Conn, h http.Handler) error {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	web := &http.Server{
		Handler: h, Protocols: protocols, ReadHeaderTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
		// A client that closes in the middle of a frame is nothing to report.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	one := &single{conn: Watch(conn, sync.OnceFunc(func() { close(done) })), done: done}
	_ = web.Serve(one) // ends when the connection has
	return web.Close()
}

// Over takes over the connection of a request. The connection is nil if that
// fails, and without an error if the client has gone already.
func Over(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	switch proto := r.Header.Get("Upgrade"); proto {
	case "h2c":
	case "":
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"no upgrade proto in request: %s wants an upgrade to h2c", r.URL.Path)
	default:
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"protocol %s not supported: %s wants an upgrade to h2c", proto, r.URL.Path)
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "this connection cannot be upgraded: %w", err)
	}
	const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	if _, err := conn.Write([]byte(answer)); err != nil {
		return nil, conn.Close()
	}
	return buffered{conn, rw.Reader}, nil
}

// buffered is a connection of which the server has read a little already.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// single is a listener that has one connection already, and no other.
type single struct {
	conn net.Conn
	done <-chan struct{} // is closed when the connection has ended
	once atomic.Bool
}

func (l *single) Accept() (net.Conn, error) {
	if l.once.CompareAndSwap(false, true) {
		return l.conn, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }
func (l *single) Close() error   { return nil }

// Watch is a connection whose end ends what is done with it.
func Watch(conn net.Conn, ended func()) net.Conn { return &watched{conn, ended} }

type watched struct {
	net.Conn
	ended func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.ended()
	}
	return n, err
}
