package peer

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"cove/engine/api/route"
)

// connected is the context of a request on a socket.
func connected(t *testing.T, network string) context.Context {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	client, err := new(net.Dialer).DialContext(t.Context(), network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return route.WithConn(t.Context(), conn)
}

// TestOwn: a key that a client claims is one of its own, by user, permissions and narrow socket.
func TestOwn(t *testing.T) {
	t.Parallel()
	access := func(texts ...string) *route.Access {
		a, err := route.ParseAccess(texts)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	claim := map[string][]string{
		"x-docker-expose-session-sharedkey": {"app:node"}, "X-Docker-Expose-Session-Uuid": {"id"},
		"X-Docker-Expose-Session-Sharedkey-Encoded": {"1"},
	}
	key := func(ctx context.Context, a *route.Access) string {
		out := Own(ctx, a, claim)
		if out["X-Docker-Expose-Session-Uuid"][0] != "id" || out["X-Docker-Expose-Session-Sharedkey-Encoded"] != nil {
			t.Errorf("other headers: %v", out)
		}
		if len(out[sharedKey]) == 0 {
			return ""
		}
		return out[sharedKey][0]
	}
	one, two := connected(t, "unix"), connected(t, "unix")
	all := key(one, access())
	if all == "" || all == "app:node" || all != key(two, access()) {
		t.Errorf("whoever may everything is one on every socket: %q, %q", all, key(two, access()))
	}
	build := key(one, access("build"))
	if build == all || build == key(two, access("build")) || build == key(one, access("build", "read")) ||
		build != key(one, access("build")) {
		t.Error("a narrow socket is one by itself")
	}
	for what, ctx := range map[string]context.Context{"TCP": connected(t, "tcp"), "no connection": t.Context()} {
		if got := key(ctx, access()); got != "" {
			t.Errorf("%s: nobody knows who this is, and it has the key %q", what, got)
		}
	}
}
