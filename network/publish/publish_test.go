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
		{Port{ContainerPort: 80, Proto: "sctp"}, errdefs.ErrUnsupported},
		{Port{ContainerPort: 80, HostIP: netip.MustParseAddr("::1")}, errdefs.ErrUnsupported},
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
	all := Port{HostPort: 80}
	one := Port{HostPort: 80, HostIP: netip.MustParseAddr("10.0.0.1")}
	other := Port{HostPort: 80, HostIP: netip.MustParseAddr("10.0.0.2")}
	if !all.Conflicts(one) || one.Conflicts(other) || one.Conflicts(Port{HostPort: 80, Proto: "udp"}) || one.Conflicts(Port{HostPort: 81}) {
		t.Error("which ports conflict")
	}
}
