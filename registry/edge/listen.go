package edge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"cove/errdefs"
)

// socketScheme begins the address of a socket that systemd has opened, as
// docker's daemon writes it: fd://NAME, or fd:// for the only one.
const socketScheme = "fd://"

// CheckAddress refuses what [Listen] could not understand.
func CheckAddress(address string) error {
	if strings.HasPrefix(address, socketScheme) {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port)
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"%q is not HOST:PORT, nor %sNAME for a socket that systemd opens: %w", address, socketScheme, err)
	}
	return nil
}

// Listen listens on each address: HOST:PORT, or fd://NAME for the socket that
// systemd opened with FileDescriptorName=NAME. An empty address is nil in the
// answer. A socket that systemd opened and nobody serves is an error: its
// clients would wait for ever.
func Listen(ctx context.Context, addresses ...string) (_ []net.Listener, err error) {
	listeners := make([]net.Listener, len(addresses))
	defer func() {
		if err != nil {
			closeAll(listeners)
		}
	}()
	opened, err := takeSockets(addresses)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, unused := range opened {
			closeAll(unused)
		}
	}()
	for i, address := range addresses {
		name, isSocket := strings.CutPrefix(address, socketScheme)
		switch {
		case address == "":
		case isSocket:
			listeners[i], err = take(opened, name)
		default:
			listeners[i], err = new(net.ListenConfig).Listen(ctx, "tcp", address)
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrConflict,
				"listening on %s: another process does, ss -ltnp shows which (%w)", address, err), errdefs.ListenElsewhere, "")
		}
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w", address, err)
		}
	}
	if len(opened) > 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"systemd opened the sockets %q and no address names them: use %sNAME, or disable the .socket unit",
			slices.Sorted(maps.Keys(opened)), socketScheme)
	}
	return listeners, nil
}

// takeSockets returns the sockets that systemd opened, by their names
// (sd_listen_fds_with_names(3)). It asks only when an address needs one.
func takeSockets(addresses []string) (map[string][]net.Listener, error) {
	if !slices.ContainsFunc(addresses, func(a string) bool { return strings.HasPrefix(a, socketScheme) }) {
		return nil, nil
	}
	opened, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("the sockets that systemd opened: %w", err)
	}
	return opened, nil
}

// take removes the socket of a name, or the only one, from those that are left.
func take(opened map[string][]net.Listener, name string) (net.Listener, error) {
	if name == "" && len(opened) == 1 {
		for name = range opened {
			break
		}
	}
	found := opened[name]
	switch {
	case len(opened) == 0:
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"systemd passed no socket: start the .socket unit, or serve on HOST:PORT")
	case len(found) == 0 || found[0] == nil:
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no stream socket %q among those that systemd opened: %q",
			name, slices.Sorted(maps.Keys(opened)))
	case len(found) > 1:
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"systemd opened %d sockets of the name %q; one is served: use one ListenStream= for each .socket unit",
			len(found), name)
	}
	delete(opened, name)
	return found[0], nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		if l != nil {
			_ = l.Close() // nobody was served by it
		}
	}
}
