package metadatatest

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// Relay stands before a PostgreSQL and has it vanish, or hang.
type Relay struct {
	to string

	mu    sync.Mutex
	mode  mode
	conns map[net.Conn]bool
	held  sync.Cond // of who waits for the hang to end
}

type mode int

const (
	passing mode = iota
	gone         // connections end, and new ones as soon as they are made
	hanging      // connections stay, and nothing comes or goes
)

// Through is a relay before the server of dsn, and the DSN that leads through it.
func Through(t testing.TB, dsn string) (*Relay, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	const name = ".s.PGSQL.5432"
	r := &Relay{to: filepath.Join(query.Get("host"), name), conns: map[net.Conn]bool{}}
	r.held.L = &r.mu
	dir := Dir(t)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	go r.accept(l)
	t.Cleanup(func() {
		_ = l.Close()
		r.set(gone)
	})
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	return r, u.String()
}

// Cut ends all connections, and keeps new ones from coming about.
func (r *Relay) Cut() { r.set(gone) }

// Hang has nothing go on.
func (r *Relay) Hang() { r.set(hanging) }

// Pass lets what comes through again.
func (r *Relay) Pass() { r.set(passing) }

func (r *Relay) set(m mode) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode = m
	if m == gone {
		for conn := range r.conns {
			_ = conn.Close() // that is what it is for
		}
		clear(r.conns)
	}
	r.held.Broadcast()
}

func (r *Relay) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !r.keep(conn) {
			_ = conn.Close()
			continue
		}
		go r.serve(conn)
	}
}

// keep notes a connection, which Cut ends.
func (r *Relay) keep(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mode == gone {
		return false
	}
	r.conns[conn] = true
	return true
}

func (r *Relay) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", r.to) //nolint:noctx // it lives as long as its client
	if err != nil {
		return
	}
	defer server.Close()
	if !r.keep(server) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], held{r, way[0]}) // either end may break it off
			_ = client.Close()
			_ = server.Close()
		})
	}
	both.Wait()
}

// held gives what it has read when nothing hangs.
type held struct {
	r *Relay
	io.Reader
}

func (h held) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	for h.r.mode == hanging {
		h.r.held.Wait()
	}
	return n, err
}
