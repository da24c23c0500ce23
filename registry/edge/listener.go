package edge

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// LimitListener lets one address hold at most as many connections as n says; what comes beyond
// is closed at once. Proxies, behind which many people stand and which exempt knows, hold
// as many as they like. An IPv6 caller owns a /64, which counts as one address.
func LimitListener(l net.Listener, n func() int, exempt func(netip.Addr) bool) net.Listener {
	return &limited{Listener: l, exempt: exempt, open: newShares(n)}
}

type limited struct {
	net.Listener
	exempt func(netip.Addr) bool
	open   *shares
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
		if !peer.IsValid() || l.exempt(peer.Addr()) {
			return conn, nil
		}
		caller := Caller(peer.Addr())
		if l.open.take(caller) {
			return &counted{Conn: conn, done: sync.OnceFunc(func() { l.open.give(caller) })}, nil
		}
		_ = conn.Close() // the caller has others
	}
}

// shares count what each caller holds of something that nobody may have much of.
type shares struct {
	most func() int

	mu   sync.Mutex
	held map[netip.Prefix]int
}

func newShares(most func() int) *shares { return &shares{most: most, held: map[netip.Prefix]int{}} }

// take says whether the caller may have one more.
func (s *shares) take(caller netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[caller] >= s.most() {
		return false
	}
	s.held[caller]++
	return true
}

func (s *shares) give(caller netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[caller]--; s.held[caller] == 0 {
		delete(s.held, caller)
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
