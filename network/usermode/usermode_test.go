package usermode

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"cove/errdefs"
	"cove/network/namespace"
	"cove/network/publish"
)

// A program publishes a port, and takes it along when it ends. pasta, which gives up root for
// an account that does not own the namespace, is driven by a story of e2e.
func TestSlirp(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	ns, err := namespace.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if err := ns.RaiseLoopback(); err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	if err := ns.Inside(func() (err error) { l, err = net.Listen("tcp4", ":80"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go answer(l)
	ports, free, err := choose([]publish.Port{{HostIP: netip.MustParseAddr("127.0.0.1"), ContainerPort: 80}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := slirp(ns.File(), ports, free)
	if err != nil {
		t.Fatal(err)
	}
	c, err := keep(s, ns.File(), slirp)
	if err != nil {
		t.Fatal(err)
	}
	at, mac, err := ns.Address(Interface)
	if err != nil || !at.IP.IsValid() || !at.Gateway.IsValid() || mac == "" {
		t.Errorf("its interface is %+v, %s, %v", at, mac, err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", c.Ports[0].HostPort)
	if got, err := ask(addr); got != "hello" {
		t.Errorf("it answers %q, %v", got, err)
	}
	// When it is killed another one takes its place, with the same port.
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, err := ask(addr)
		if got == "hello" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after it was killed: %q, %v", got, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("the port is still published")
	}
}

func ask(addr string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	got, err := io.ReadAll(conn)
	return string(got), err
}

func answer(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("hello"))
		conn.Close()
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	used := publish.Port{
		HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: uint16(l.Addr().(*net.TCPAddr).Port), ContainerPort: 80,
	}
	if _, free, err := choose([]publish.Port{used}); !errors.Is(err, errdefs.ErrConflict) {
		free()
		t.Errorf("%v, want that it is in use", err)
	}
	if _, free, err := choose([]publish.Port{{ContainerPort: 80, Proto: "sctp"}}); !errors.Is(err, errdefs.ErrUnsupported) {
		free()
		t.Errorf("%v, want that it cannot be published", err)
	}
	if _, free, err := choose([]publish.Port{{HostIP: netip.MustParseAddr("203.0.113.9"), ContainerPort: 80}}); !errors.Is(err, errdefs.ErrInvalid) {
		free()
		t.Errorf("%v, want that it is no address of this host", err)
	}
}

// What a program says when it does not begin is the error.
func TestStartFails(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	_, err = start(exec.Command("sh", "-c", "echo no tap here >&2; exit 1"), null)
	if !errors.Is(err, errdefs.ErrUnavailable) || err.Error() != "network: "+mustLook(t, "sh")+": it did not begin: no tap here" {
		t.Errorf("%v", err)
	}
	if err := (*Connection)(nil).Close(); err != nil {
		t.Error(err)
	}
}

func mustLook(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSpec(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]publish.Port{
		"8080:80":           {HostPort: 8080, ContainerPort: 80},
		"127.0.0.1/8080:80": {HostPort: 8080, ContainerPort: 80, HostIP: netip.MustParseAddr("127.0.0.1")},
	} {
		if got := spec(p); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
