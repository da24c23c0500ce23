package publish

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func TestValidatePort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		port Port
		kind error
	}{
		{Port{HostPort: 80, ContainerPort: 80}, nil},
		{Port{HostPort: 80, ContainerPort: 53, Proto: "udp", HostIP: netip.MustParseAddr("127.0.0.1")}, nil},
		{Port{HostPort: 80}, errdefs.ErrInvalid},
		{Port{ContainerPort: 80, Proto: "sctp"}, nil},
		{Port{ContainerPort: 80, HostIP: netip.MustParseAddr("::1")}, nil},
		{Port{ContainerPort: 80, Proto: "dccp"}, errdefs.ErrUnsupported},
		{Port{ContainerPort: 80, HostIP: netip.MustParseAddr("fe80::1")}, errdefs.ErrUnsupported},
	} {
		t.Run(fmt.Sprint(tt.port), func(t *testing.T) {
			t.Parallel()
			if err := tt.port.Validate(); !errors.Is(err, tt.kind) {
				t.Errorf("%v, want %v", err, tt.kind)
			}
		})
	}
}

// TestReserve: a port that is held can be had by nobody else, and who has it is
// told.
func TestReserve(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"tcp", "udp"} {
		got, fd, err := Reserve(Port{HostIP: netip.MustParseAddr("127.0.0.1"), ContainerPort: 1, Proto: proto})
		if err != nil || got.HostPort == 0 {
			t.Fatalf("%v, %v", got, err)
		}
		if _, _, err := Reserve(got); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s: %v, want that it is in use", got, err)
		}
		if proto == "tcp" {
			if who := Listener(got); !strings.Contains(who, fmt.Sprint(os.Getpid())) {
				t.Errorf("%s is held by %q, want this process", got, who)
			}
		}
		unix.Close(fd)
	}
	v6 := Port{HostPort: 80, HostIP: netip.IPv6Unspecified()}
	if six := (Port{HostPort: 80, HostIP: netip.IPv6Loopback()}); !v6.Conflicts(six) || v6.Conflicts(Port{HostPort: 80}) {
		t.Error("which ports of IPv6 conflict")
	}
	if !v6.Carried(true) || v6.CarriedOnly() || (Port{HostIP: netip.MustParseAddr("fd00::1")}).Carried(true) {
		t.Error("which ports are carried")
	}
	all := Port{HostPort: 80}
	one := Port{HostPort: 80, HostIP: netip.MustParseAddr("10.0.0.1")}
	other := Port{HostPort: 80, HostIP: netip.MustParseAddr("10.0.0.2")}
	if !all.Conflicts(one) || one.Conflicts(other) || one.Conflicts(Port{HostPort: 80, Proto: "udp"}) || one.Conflicts(Port{HostPort: 81}) {
		t.Error("which ports conflict")
	}
}

// TestListening finds the sockets of this process, and those on an address alone.
func TestListening(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"127.0.0.1", "::1"} {
		p, fd, err := Reserve(Port{HostIP: netip.MustParseAddr(at), ContainerPort: 1})
		if err != nil {
			t.Skip(err)
		}
		defer unix.Close(fd)
		got, err := Listening(os.Getpid(), p.HostPort, "tcp")
		if err != nil || len(got) != 1 || got[0] != netip.MustParseAddr(at) {
			t.Errorf("%s: %v, %v", p, got, err)
		}
		if got, err := Listening(os.Getpid(), p.HostPort, "sctp"); err != nil || len(got) != 0 {
			t.Errorf("of a protocol that is not there: %v, %v", got, err)
		}
	}
}
