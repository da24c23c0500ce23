// Package relay carries connections from a socket of the host to a container, where
// no rule of the kernel can lead them: those to ::1, and those to an IPv6 address for
// a container that has none. The container sees them come from its host.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Relay is one socket, and what is being carried from it.
type Relay struct {
	closer io.Closer
	to     string
	busy   chan struct{} // holds one of each connection
	work   sync.WaitGroup
	ctx    context.Context //nolint:containedctx // of what is carried, which Close ends
	stop   context.CancelFunc
}

// The bounds of one relay: how many are carried at once, how long one who sends
// datagrams may be silent, and how long a container may take to answer a connection.
const (
	maxCarried  = 1024
	idleUDP     = 90 * time.Second
	dialTimeout = 10 * time.Second
	maxDatagram = 64 << 10
)

// Serve carries what arrives at a listening or, for "udp", a bound socket to an
// address, until Close. The descriptor stays the caller's.
func Serve(fd int, proto string, to netip.AddrPort) (*Relay, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("network: carrying to %s: %w", to, err)
	}
	file := os.NewFile(uintptr(own), "published port")
	defer file.Close()
	r := &Relay{to: to.String(), busy: make(chan struct{}, maxCarried)}
	r.ctx, r.stop = context.WithCancel(context.Background())
	if proto == "udp" {
		conn, err := net.FilePacketConn(file)
		if err != nil {
			return nil, fmt.Errorf("network: carrying datagrams to %s: %w", to, err)
		}
		r.closer = conn
		r.work.Go(func() { r.datagrams(conn) })
		return r, nil
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("network: carrying connections to %s: %w", to, err)
	}
	r.closer = l
	r.work.Go(func() { r.connections(l) })
	return r, nil
}

// Close ends what is carried.
func (r *Relay) Close() error {
	r.stop()
	err := r.closer.Close()
	r.work.Wait()
	return err
}

func (r *Relay) dial(network string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(r.ctx, dialTimeout)
	defer cancel()
	var d net.Dialer
	return d.DialContext(ctx, network, r.to)
}

func (r *Relay) connections(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: it passes
			select {
			case <-r.ctx.Done():
				return
			case <-time.After(50 * time.Millisecond):
				continue
			}
		}
		select {
		case r.busy <- struct{}{}:
			r.work.Go(func() {
				defer func() { <-r.busy }()
				r.carry(conn)
			})
		case <-r.ctx.Done():
			conn.Close()
			return
		}
	}
}

// carry copies both ways. The end of one is passed on, and does not end the other.
func (r *Relay) carry(from net.Conn) {
	defer from.Close()
	to, err := r.dial("tcp")
	if err != nil {
		if tcp, ok := from.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // refused, rather than an answer without bytes
		}
		return
	}
	defer to.Close()
	defer context.AfterFunc(r.ctx, func() { from.Close(); to.Close() })()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(to, from)
	}()
	pass(from, to)
	<-done
}

func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from) // who is gone is told by the other's end
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// datagrams gives each sender a socket of its own, so that answers find back.
func (r *Relay) datagrams(here net.PacketConn) {
	var mu sync.Mutex
	senders := map[string]net.Conn{}
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := here.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier answer
		}
		key := from.String()
		mu.Lock()
		conn := senders[key]
		mu.Unlock()
		if conn == nil {
			select {
			case r.busy <- struct{}{}:
			default:
				continue // one too many: datagrams may be lost
			}
			if conn, err = r.dial("udp"); err != nil {
				<-r.busy
				continue
			}
			mu.Lock()
			senders[key] = conn
			mu.Unlock()
			r.work.Go(func() {
				defer func() { <-r.busy }()
				r.answers(here, from, conn)
				mu.Lock()
				delete(senders, key)
				mu.Unlock()
				conn.Close()
			})
		}
		_ = conn.SetReadDeadline(time.Now().Add(idleUDP)) // only fails when it is closed
		_, _ = conn.Write(buf[:n])
	}
}

// answers sends back what comes for a sender, until nobody says anything.
func (r *Relay) answers(here net.PacketConn, to net.Addr, conn net.Conn) {
	defer context.AfterFunc(r.ctx, func() { conn.Close() })()
	buf := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // nobody listens yet
		}
		_ = conn.SetReadDeadline(time.Now().Add(idleUDP)) // only fails when it is closed
		if _, err := here.WriteTo(buf[:n], to); err != nil {
			return
		}
	}
}
