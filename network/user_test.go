package network

import (
	"errors"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/network/namespace"
	"cove/network/publish"
)

// Without root there are no bridges, so no names and no links; which is said before
// anything is made.
func TestUserHasNoBridges(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"a network with a name": {Attachments: []Attachment{{Network: "0123456789ab", Name: "net"}}},
		"a link":                {Links: []Link{{ID: "x", Name: "db", Alias: "db"}}},
	} {
		if _, err := connectUser(cfg); !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "bridges") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A container that never comes leaves nothing to wait for.
func TestUserEndpointCloses(t *testing.T) {
	t.Parallel()
	e, err := connectUser(Config{OwnNamespace: true, Ports: []publish.Port{{ContainerPort: 80}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Close(), e.Unpublish()); err != nil {
		t.Error(err)
	}
	if len(e.State.Ports) != 0 {
		t.Errorf("it published %v", e.State.Ports)
	}
}

func TestRootOwnsItsNetwork(t *testing.T) {
	t.Parallel()
	needRoot(t)
	if !namespace.Ours() {
		t.Error("root may not set up the network that it is in")
	}
}
