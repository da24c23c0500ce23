package runner_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/runner"
	"cove/runner/record"
)

// TestSyslog reads at a server what a container prints, which is kept, too, unless that
// was not asked for; and one that has no server does not start.
func TestSyslog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	socket := filepath.Join(t.TempDir(), "log")
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	sent := func(uncached bool, address string) *runner.Container {
		cfg := f.config("echo one; echo two >&2; printf three")
		cfg.Log = record.LogConfig{Driver: "syslog", NoCache: uncached, Options: map[string]string{
			"syslog-address": "unixgram://" + address, "syslog-format": "rfc5424", "tag": "{{.Name}}",
		}}
		return f.create(cfg)
	}
	for _, uncached := range []bool{false, true} {
		c := sent(uncached, socket)
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		lines := map[string]bool{}
		buf := make([]byte, 1<<12)
		for range 3 {
			n, err := server.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			pri, rest, _ := strings.Cut(string(buf[:n]), ">1 ")
			fields := strings.Fields(rest) // time host tag pid tag - text
			lines[pri+" "+fields[2]+" "+fields[len(fields)-1]] = true
		}
		name := c.Name()
		for _, line := range []string{"<30 " + name + " one", "<27 " + name + " two", "<30 " + name + " three"} {
			if !lines[line] {
				t.Errorf("no %q of %v", line, lines)
			}
		}
		var out bytes.Buffer
		err := c.Logs(context.Background(), runner.LogOptions{All: true}, &out, &out)
		switch {
		case uncached && (!errors.Is(err, errdefs.ErrUnsupported) ||
			err.Error() != "configured logging driver does not support reading"):
			t.Errorf("%q, %v", out.String(), err)
		case !uncached && (err != nil || !strings.Contains(out.String(), "one\n")):
			t.Errorf("%q, %v", out.String(), err)
		}
	}
	c := sent(false, socket+".none")
	if err := c.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "failed to initialize logging driver: ") {
		t.Error(err)
	}
}
