package edge

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"cove/errdefs"
)

// TestListenOnSockets starts itself as systemd starts a service: sockets from
// the third descriptor on, their names and the process in the environment.
func TestListenOnSockets(t *testing.T) {
	for _, c := range []struct {
		names     string // of the sockets, LISTEN_FDNAMES
		addresses string // asked for
		want      string // served, in this order; or the error
	}{
		{"registry", "fd://", "0"},
		{"registry", "fd://registry", "0"},
		{"redirect:registry", "fd://registry,fd://redirect", "1 0"},
		{"registry", "fd://registry,127.0.0.1:0", "0 own"},
		{"registry", "fd://other", `listening on fd://other: no stream socket "other" among those that systemd opened: ["registry"]`},
		{"registry:registry", "fd://registry", "systemd opened 2 sockets of the name \"registry\""},
		{"redirect:registry", "fd://", `no stream socket "" among`},
		{"redirect:registry", "fd://registry", `systemd opened the sockets ["redirect"] and no address names them`},
		{"", "fd://", "systemd passed no socket"},
	} {
		t.Run(c.names+" as "+c.addresses, func(t *testing.T) {
			t.Parallel()
			got := serveAs(t, c.names, c.addresses)
			if !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// serveAs runs TestHelperService with sockets and returns what it printed.
func serveAs(t *testing.T, names, addresses string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run '^TestHelperService$'`, os.Args[0])
	count := 0
	ports := []string{}
	if names != "" {
		for range strings.Split(names, ":") {
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			file, err := l.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = file.Close(), l.Close() })
			cmd.ExtraFiles = append(cmd.ExtraFiles, file)
			ports = append(ports, l.Addr().String())
			count++
		}
	}
	cmd.Env = append(os.Environ(), "TEST_SERVICE="+addresses, "TEST_PORTS="+strings.Join(ports, " "))
	if count > 0 {
		cmd.Env = append(cmd.Env, "LISTEN_FDS="+strconv.Itoa(count), "LISTEN_FDNAMES="+names)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestHelperService is the service that serveAs starts: it says which of the
// sockets it was given each address is, after a request has come through it.
func TestHelperService(t *testing.T) {
	addresses, asked := os.LookupEnv("TEST_SERVICE")
	if !asked {
		t.Skip("started by TestListenOnSockets")
	}
	listeners, err := Listen(t.Context(), strings.Split(addresses, ",")...)
	if err != nil {
		_, _ = os.Stdout.WriteString(err.Error())
		return
	}
	var served []string
	for _, l := range listeners {
		served = append(served, which(t, l))
	}
	_, _ = os.Stdout.WriteString(strings.Join(served, " "))
}

func which(t *testing.T, l net.Listener) string {
	t.Helper()
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	server := &http.Server{Handler: answer} //nolint:gosec // the one client is this test
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "here" {
		t.Fatalf("%q, %v", body, err)
	}
	_ = resp.Body.Close()
	for i, port := range strings.Fields(os.Getenv("TEST_PORTS")) {
		if port == l.Addr().String() {
			return strconv.Itoa(i)
		}
	}
	return "own"
}

func TestCheckAddress(t *testing.T) {
	for address, ok := range map[string]bool{
		":5000": true, "127.0.0.1:0": true, "[::]:443": true, "fd://": true, "fd://registry": true,
		"5000": false, "host": false, "unix:///x": false,
	} {
		if err := CheckAddress(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestListenWhereAnotherDoes: who finds the port taken hears what to do.
func TestListenWhereAnotherDoes(t *testing.T) {
	t.Parallel()
	first, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first[0].Close() })
	_, err = Listen(t.Context(), first[0].Addr().String())
	help, _ := errdefs.SuggestionFor(err)
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "another process does") ||
		help.Do != errdefs.ListenElsewhere {
		t.Errorf("a second one: %v", err)
	}
}
