package edge

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// LimitListener lets one address hold at most n connections; what comes beyond
// is closed at once. The proxies, behind which many people stand, hold as many
// as they like. An IPv6 caller owns a /64, which counts as one address.
func LimitListener(l net.Listener, n int, exempt Proxies) net.Listener {
	return &limited{Listener: l, most: n, exempt: exempt, open: map[netip.Prefix]int{}}
}

type limited struct {
	net.Listener
	most   int
	exempt Proxies

	mu   sync.Mutex
	open map[netip.Prefix]int
}

// Accept returns the next connection that is not one too many.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		// What has no address and port, such as a Unix socket, cannot be counted.
		peer, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		if !peer.IsValid() || l.exempt.Trusts(peer.Addr()) {
			return conn, nil
		}
		caller := Caller(peer.Addr())
		if l.take(caller) {
			return &counted{Conn: conn, done: sync.OnceFunc(func() { l.give(caller) })}, nil
		}
		_ = conn.Close() // the caller has others
	}
}

func (l *limited) take(caller netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[caller] >= l.most {
		return false
	}
	l.open[caller]++
	return true
}

func (l *limited) give(caller netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[caller]--; l.open[caller] == 0 {
		delete(l.open, caller)
	}
}

// Caller is the network that one caller is taken to own.
func Caller(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

// counted tells its listener once that it is closed.
type counted struct {
	net.Conn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// ReadFrom keeps sendfile within reach: a TCP connection takes a file as it is.
func (c *counted) ReadFrom(src io.Reader) (int64, error) { return io.Copy(c.Conn, src) }
