package runner_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/network"
	"cove/network/publish"
	"cove/runner"
	"cove/runner/record"
)

// ask reads what a server says.
func ask(addr string) string {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	b, _ := io.ReadAll(c)
	return strings.TrimSpace(string(b))
}

func TestBridge(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	cfg := f.config("while :; do echo hello from $(hostname) | nc -l -p 7000 -w 1; done")
	cfg.Name = "server"
	cfg.Network = network.Config{Hostname: "srv", Ports: []publish.Port{{HostIP: netip.MustParseAddr("127.0.0.1"), ContainerPort: 7000}}}
	c := f.start(cfg)
	st := f.state(c)
	if !st.Network.IP.IsValid() || st.Network.Ports[0].HostPort == 0 {
		t.Fatalf("%+v", st.Network)
	}
	published := fmt.Sprintf("127.0.0.1:%d", st.Network.Ports[0].HostPort)
	eventually(t, "the published port answers", func() bool { return ask(published) == "hello from srv" })
	direct := st.Network.IP.Addr().String()
	eventually(t, "its address answers", func() bool { return ask(direct+":7000") == "hello from srv" })

	client := f.config(fmt.Sprintf("cat /etc/hosts; for i in 1 2 3 4 5 6 7 8 9; do nc -w 2 %s 7000 </dev/null && exit 0; sleep 0.1; done", direct))
	client.Network = network.Config{Hostname: "cli", ExtraHosts: []string{"up:10.1.2.3"}}
	out, _, _, _ := f.run(client, "")
	if !strings.Contains(out, "hello from srv") || !strings.Contains(out, "\tcli\n") || !strings.Contains(out, "10.1.2.3\tup\n") {
		t.Errorf("from another container: %q", out)
	}
	sharing := f.config("ip addr show eth0; readlink /proc/self/ns/net")
	sharing.Network = network.Config{Mode: network.Mode("container:" + c.ID())}
	if out, errs, _, _ := f.run(sharing, ""); !strings.Contains(out, direct+"/") {
		t.Errorf("container:ID: %q %q", out, errs)
	}
	taken := f.config("true")
	taken.Network.Mode, taken.Network.Ports = network.Bridge, st.Network.Ports
	err := f.create(taken).Start(ctx)
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), c.ID()[:12]) {
		t.Errorf("port in use: %v", err)
	}
	if err := c.Stop(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if got := ask(published); !strings.Contains(got, "refused") {
		t.Errorf("after stop: %q", got)
	}
	notRunning := f.config("true")
	notRunning.Network.Mode = network.Mode("container:" + c.ID())
	if err := f.create(notRunning).Start(ctx); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("network of a stopped container: %v", err)
	}
}

// TestWayOut: that it leads anywhere is tested in network.
func TestWayOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config("cat /etc/resolv.conf; ip route")
	cfg.Network = network.Config{}
	out, _, _, _ := f.run(cfg, "")
	if !strings.Contains(out, "nameserver ") || !strings.Contains(out, "default via ") {
		t.Errorf("%q", out)
	}
}

func TestHostNetwork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.config("ls -l /proc/self/ns/net")
	cfg.Network = network.Config{Mode: network.Host}
	if out, errs, _, _ := f.run(cfg, ""); !strings.Contains(out, own) {
		t.Errorf("%q %q, want %s", out, errs, own)
	}
	cfg = f.config("true")
	cfg.Network = network.Config{Mode: "nosuch"}
	if err := f.create(cfg).Start(context.Background()); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("unknown network: %v", err)
	}
	if _, err := f.Create(context.Background(), record.Config{}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("nothing to run: %v", err)
	}
}

// TestPublishLater changes the ports of a container while it runs, for its next lives,
// and while it does not.
func TestPublishLater(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := newFixture(t)
	cfg := f.config("while :; do echo hello | nc -l -p 7000 -w 1; done")
	cfg.Network = network.Config{Hostname: "srv"}
	c := f.start(cfg)
	local := func(port uint16) publish.Port {
		return publish.Port{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: port, ContainerPort: 7000}
	}
	change := func(ports ...publish.Port) error {
		return c.Update(ctx, func(cfg record.Config) (runner.Change, error) {
			return runner.Change{
				Updated: record.Updated{Restart: cfg.Restart, Limits: cfg.Spec.Linux.Resources, Published: true, Ports: ports},
				Publish: true,
			}, nil
		})
	}
	if err := change(local(0)); err != nil {
		t.Fatal(err)
	}
	got := f.state(c).Network.Ports
	if len(got) != 1 || got[0].HostPort == 0 {
		t.Fatalf("published are %v", got)
	}
	at := fmt.Sprintf("127.0.0.1:%d", got[0].HostPort)
	eventually(t, "the port answers", func() bool { return ask(at) == "hello" })
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := uint16(taken.Addr().(*net.TCPAddr).Port)
	if err := change(local(busy)); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("a port in use: %v", err)
	}
	if now := f.state(c).Network.Ports; !slices.Equal(now, got) {
		t.Errorf("published are %v", now)
	}
	if err := c.Stop(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if err := change(local(got[0].HostPort)); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the port answers again", func() bool { return ask(at) == "hello" })
	if err := change(); err != nil {
		t.Fatal(err)
	}
	if now := f.state(c).Network.Ports; len(now) != 0 {
		t.Errorf("published are %v", now)
	}
	if got := ask(at); !strings.Contains(got, "refused") {
		t.Errorf("what is published no more answers %q", got)
	}
	cfg = f.config("sleep 100")
	cfg.Network.Mode = network.None
	c = f.start(cfg)
	if err := change(local(0)); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("without a network: %v", err)
	}
}
