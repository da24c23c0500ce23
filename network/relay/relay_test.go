package relay

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/network/publish"
)

// serving carries a protocol from a free port of ::1.
func serving(t *testing.T, proto string, to net.Addr) (at string) {
	t.Helper()
	p, fd, err := publish.Reserve(publish.Port{HostIP: netip.IPv6Loopback(), Proto: proto})
	if err != nil {
		t.Skip(err) // a machine without IPv6
	}
	r, err := Serve(fd, proto, netip.MustParseAddrPort(to.String()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		unix.Close(fd)
	})
	return strings.TrimSuffix(p.String(), "/"+proto)
}

// TestConnections carries a question with its end, and the answer after it.
func TestConnections(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked, _ := io.ReadAll(c)
			_, _ = io.WriteString(c, "you said "+string(asked))
			c.Close()
		}
	}()
	at := serving(t, "tcp", l.Addr())
	for range 2 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "hello")
		_ = c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != "you said hello" {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
	}
	l.Close()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err == nil {
		t.Errorf("of nobody it has %q, and no error", got)
	}
}

// TestDatagrams has answers find back to who asked.
func TestDatagrams(t *testing.T) {
	t.Parallel()
	there, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := there.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = there.WriteTo(append([]byte("you said "), buf[:n]...), from)
		}
	}()
	at := serving(t, "udp", there.LocalAddr())
	for _, word := range []string{"one", "two"} {
		c, err := net.Dial("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 2 {
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(c, word)
			buf := make([]byte, 100)
			n, err := c.Read(buf)
			if err != nil || string(buf[:n]) != "you said "+word {
				t.Errorf("got %q, %v", buf[:n], err)
			}
		}
	}
}
