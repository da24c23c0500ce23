package outbound

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"

	"cove/errdefs"
)

// connectTimeout bounds the opening of a connection to a registry.
const connectTimeout = 30 * time.Second

// DialTo returns how connections are opened to a registry that an administrator has
// named by its host, and to what that registry sends us to: where its tokens and
// blobs are. The host itself, with what is below its name, may be in a private
// network. What it sends us to may be there only if it is there itself, or the policy
// allows it. Link-local addresses and the metadata of clouds, where a machine's own
// secrets are, take the policy in any case.
//
// A name is resolved once, as by [Policy.Client]. lookup may be nil.
func (p Policy) DialTo(host string, lookup Lookup) Dial {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	n := &named{policy: p, host: strings.ToLower(strings.Trim(host, "[]")), gateways: gateways()}
	d := &dialer{permit: n.permit, lookup: lookup, timeout: connectTimeout}
	return d.dial
}

// Dial opens a connection, as net.Dialer's DialContext does.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// named holds connections against the policy for one registry.
type named struct {
	policy   Policy
	host     string
	gateways map[string]bool // HTTP proxies of this machine, by host
	inside   atomic.Bool     // the registry answered from a network that is not public
}

func (n *named) permit(host string, addr netip.Addr) error {
	err := n.policy.Permit(addr)
	if err == nil || n.gateways[host] {
		return nil
	}
	switch what := reserved(addr); {
	case what == metadataService || what == linkLocal || what == multicast || what == reservedRange:
		return err
	case n.owns(host):
		n.inside.Store(true)
		return nil
	case n.inside.Load():
		return nil
	}
	return errdefs.Errorf(errdefs.ErrDenied, "%s sends us to %s: %w", n.host, host, err)
}

// owns says that a host is the registry's, by its name.
func (n *named) owns(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == n.host || strings.HasSuffix(host, "."+n.host)
}

// gateways are the proxies that the environment names: they are the administrator's.
func gateways() map[string]bool {
	all, env := map[string]bool{}, httpproxy.FromEnvironment()
	for _, text := range []string{env.HTTPProxy, env.HTTPSProxy} {
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			all[u.Hostname()] = true
		}
	}
	return all
}
