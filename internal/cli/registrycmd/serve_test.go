package registrycmd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
)

func TestFirstStart(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "registry")
	p := serve(t, root, "--hostname", "harbor.example.com", "--hostname", "10.9.8.7")
	for name, perm := range map[string]os.FileMode{
		"tls/ca.crt": 0o644, "tls/ca.key": 0o600, "tls/server.key": 0o600, "admin-password": 0o600, "registry.db": 0o600, "content": 0o700, "keys": 0o700,
	} {
		fi, err := os.Stat(filepath.Join(root, name))
		if err != nil || fi.Mode().Perm() != perm {
			t.Errorf("%s: %v %v, want mode %v", name, fi.Mode().Perm(), err, perm)
		}
	}
	if b, err := os.ReadFile(filepath.Join(root, "admin-password")); err != nil || strings.TrimSpace(string(b)) != testPassword {
		t.Errorf("admin-password holds %q, %v", b, err)
	}
	for path, want := range map[string]int{"/v2/": 200, "/v2/_catalog": 200, "/metrics": 200, "/livez": 200, "/nothing": 404, "/v2/library/x/tags/list": 404} {
		if status, _, body := p.do("GET", path, nil); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	resp, err := p.client.Get(p.URL("/v2/"))
	if err != nil {
		t.Fatal(err)
	}
	challenge := resp.Header.Get("WWW-Authenticate")
	if err := resp.Body.Close(); err != nil || resp.StatusCode != 401 ||
		challenge != `Bearer realm="https://`+p.Address+`/token",service="cove-registry"` {
		t.Errorf("without credentials: %d %q", resp.StatusCode, challenge)
	}
	p.Stop()
	for _, want := range []string{"registry at https://harbor.example.com:", "/etc/docker/certs.d/harbor.example.com:", "docker login -u admin"} {
		if !strings.Contains(p.stdout.String(), want) {
			t.Errorf("the welcome lacks %q:\n%s", want, &p.stdout)
		}
	}
	if strings.Contains(p.stdout.String()+p.stderr.String(), testPassword) {
		t.Error("a password that was given is printed")
	}
	if _, err := os.Stat(filepath.Join(root, "running")); !os.IsNotExist(err) {
		t.Errorf("after a stop in order the mark of a running server is left: %v", err)
	}
}

func TestRandomPasswordIsShownOnce(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	first := commandLine(t.Context(), "serve", "--root", root, "--listen", "127.0.0.1:0", "--tls=off")
	first.Env = append(os.Environ(), asRegistry+"=1", "COVE_ADMIN_PASSWORD=")
	first.Cancel = func() error { return first.Process.Signal(os.Interrupt) }
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := io.ReadAtLeast(out, buf, 40)
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(filepath.Join(root, "admin-password"))
	if err != nil || !strings.Contains(string(buf[:n]), strings.TrimSpace(string(password))) {
		t.Errorf("the first start does not show the password: %v\n%s", err, buf[:n])
	}
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := first.Wait(); err != nil {
		t.Error(err)
	}
	second := serve(t, root, "--tls=off")
	second.Stop()
	if strings.Contains(second.stdout.String(), strings.TrimSpace(string(password))) {
		t.Error("the second start shows the password again")
	}
}

// TestRename starts a registry again under another name: the certificate has
// the new one, the authority and everything stored are the same.
func TestRename(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	p := serve(t, root, "--hostname", "cdh1")
	blob := distributiontest.Bytes(1, 1000)
	dgst := digest.FromBytes(blob).String()
	if status, _, body := p.do("POST", "/v2/team/app/blobs/uploads/?digest="+dgst, blob); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	before, err := os.ReadFile(filepath.Join(root, "tls", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, p, before, "harbor.daemon.io"); err == nil || !strings.Contains(err.Error(), "not harbor.daemon.io") {
		t.Errorf("under the old name: %v", err)
	}
	p.Stop()
	p = serve(t, root, "--hostname", "harbor.daemon.io")
	after, err := os.ReadFile(filepath.Join(root, "tls", "ca.crt"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the authority changed: %v", err)
	}
	if err := handshake(t, p, before, "harbor.daemon.io"); err != nil {
		t.Errorf("under the new name: %v", err)
	}
	if status, _, got := p.do("GET", "/v2/team/app/blobs/"+dgst, nil); status != 200 || digest.FromBytes(got).String() != dgst {
		t.Errorf("the blob is lost: %d", status)
	}
	// What a user would ask when the name is wrong.
	out, _, err := run(t, "", "cert", "explain", p.Address, "--name", "cdh1", "--ca", filepath.Join(root, "tls", "ca.crt"))
	if err == nil || !strings.Contains(out, "not for cdh1") || !strings.Contains(out, "--hostname cdh1") {
		t.Errorf("explain: %v\n%s", err, out)
	}
	p.Stop()
}

// TestReload renames a running registry by its configuration and a SIGHUP. A
// configuration that is wrong changes nothing, and the registry goes on.
func TestReload(t *testing.T) {
	t.Parallel()
	root, file := t.TempDir(), filepath.Join(t.TempDir(), "registry.yaml")
	config := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config("hostnames: [before.example.com]\n")
	p := serve(t, root, "--config", file)
	ca, err := os.ReadFile(filepath.Join(root, "tls", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "after.example.com"
	for i, text := range []string{
		"hostname: [" + name + "]\n",
		"hostnames: [" + name + "]\nlog: {level: debug}\ncors: {origins: ['https://page.example']}\n" +
			"trusted_proxies: [127.0.0.1]\ngc: {grace: 2h}\nlimits: {stall: 20s, page: 7}\nread_only: until noon\n",
	} {
		if err := handshake(t, p, ca, name); err == nil {
			t.Errorf("%s is served before reload %d", name, i)
		}
		config(text)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if i == 0 { // what would be seen is that nothing happens
			time.Sleep(100 * time.Millisecond)
		}
	}
	waitFor(t, "the new name", func() bool { return handshake(t, p, ca, name) == nil })
	// The certificate is first; the rest follows at once.
	waitFor(t, "the new settings", func() bool {
		status, header, _ := p.do("GET", "/v2/", nil, "Origin", "https://page.example")
		return status == 200 && header.Get("Access-Control-Allow-Origin") == "https://page.example"
	})
	if status, _, body := p.do("POST", "/v2/team/app/blobs/uploads/", nil); status != 403 || !strings.Contains(string(body), "until noon") {
		t.Errorf("a push to what is read-only now: %d %s", status, body)
	}
	p.Stop()
	log := p.stderr.String()
	for _, want := range []string{
		`changed="[cors.origins gc.grace hostnames limits.page log.level read_only trusted_proxies]"`, "settings=[limits.stall]",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %s:\n%s", want, log)
		}
	}
}

func handshake(t *testing.T, p *process, ca []byte, name string) error {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: name}}).DialContext(t.Context(), "tcp", p.Address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}
	if conn, err := d.DialContext(t.Context(), "tcp", p.Address); err == nil {
		t.Errorf("TLS 1.1 is spoken: %v", conn.Close())
	}
	p.Stop()
}

// TestStopDrains stops the registry in the middle of a push, which goes on to
// its end.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	blob := distributiontest.Bytes(2, 200_000)
	dgst := digest.FromBytes(blob).String()
	pr, pw := io.Pipe()
	type answer struct {
		status int
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), "POST", p.URL("/v2/team/app/blobs/uploads/?digest="+dgst), pr)
		if err != nil {
			done <- answer{err: err}
			return
		}
		req.SetBasicAuth("admin", testPassword)
		resp, err := p.client.Do(req)
		if err != nil {
			done <- answer{err: err}
			return
		}
		done <- answer{resp.StatusCode, resp.Body.Close()}
	}()
	if _, err := pw.Write(blob[:100_000]); err != nil {
		t.Fatal(err)
	}
	// Written is not read: the connection may still wait to be accepted, and
	// the kernel resets such a one when the listener closes.
	waitFor(t, "the server to take the first bytes", func() bool {
		taken, err := filepath.Glob(filepath.Join(p.root, "content", "ingest", "*"))
		return err == nil && len(taken) > 0
	})
	stopped := make(chan struct{})
	go func() { p.Stop(); close(stopped) }()
	waitFor(t, "the listener to close", func() bool {
		conn, err := net.DialTimeout("tcp", p.Address, time.Second)
		if err != nil {
			return true
		}
		return conn.Close() != nil
	})
	if _, err := pw.Write(blob[100_000:]); err != nil {
		t.Fatal(err)
	}
	if err := pw.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.status != 201 || got.err != nil {
		t.Errorf("the running push: %d %v", got.status, got.err)
	}
	<-stopped
	again := serve(t, p.root, "--tls=off")
	if status, _, _ := again.do("HEAD", "/v2/team/app/blobs/"+dgst, nil); status != 200 {
		t.Errorf("the blob is lost: %d", status)
	}
	again.Stop()
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestOneServerPerRoot(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	_, stderr, err := run(t, "", "serve", "--root", p.root, "--listen", "127.0.0.1:0")
	if err == nil || !strings.Contains(stderr, "another registry serves it") || len(lines(stderr)) != 1 {
		t.Errorf("a second server: %v\n%s", err, stderr)
	}
	p.Stop()
}

func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, tc := range []struct {
		config string
		args   []string
		code   int
		want   string
	}{
		{config: "root: /x\nlisten: :0\nhostname: [a]\n", want: ".yaml:3: there is no key hostname; did you mean hostnames?"},
		{config: "gc:\n  lease: soon\n", want: `.yaml:2: gc.lease: "soon" is no duration`},
		{config: "gc:\n  leese: 1h\n", want: ".yaml:2: there is no key gc.leese; did you mean gc.lease?"},
		{config: "certificate: x\n", want: ":1: there is no key certificate; did you mean tls.certificate?"},
		{config: "tls:\n  listen: :5000\n", want: ":2: there is no key tls.listen; did you mean listen, which stands at the left margin?"},
		{config: "quota: 5\n", want: ":1: there is no key quota"},
		{config: "tls: yes\n", want: ":1: tls: it holds keys: off, certificate, key"},
		{config: "hostnames: a\n", want: ":1: hostnames: it is a list; write [a]"},
		{config: "hostnames: [{a: b}]\n", want: ":1: hostnames: it is one value"},
		{config: "log: {access: maybe}\n", want: `:1: log.access: "maybe" is neither true nor false`},
		{config: "root: /x\nroot: /y\n", want: "line 2"},
		{config: "- a\n", want: ":1: it holds keys: root, listen"},
		{config: "a: [\n", want: "line 2"},
		{config: "tls:\n  key: /x\n", want: "there is a key and no certificate"},
		{config: "projects: {creation: nobody}\n", want: "use admins or everyone"},
		{args: []string{"--listen", "nowhere"}, want: "not HOST:PORT"},
		{args: []string{"--hostname", "IP:cdh1"}, want: "use DNS:cdh1"},
		{args: []string{"--tls=maybe"}, code: 125, want: "use on or off"},
		{args: []string{"--tls=off", "--redirect", ":80"}, want: "no https"},
		{args: []string{"--hostnames", "x"}, code: 125, want: "unknown flag: --hostnames"},
		{args: []string{"--config", "/nowhere.yaml"}, want: "no such file"},
	} {
		args := append([]string{"serve", "--root", filepath.Join(dir, "r")}, tc.args...)
		if tc.config != "" {
			name := filepath.Join(dir, fmt.Sprint(i, ".yaml"))
			if err := os.WriteFile(name, []byte(tc.config), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--config", name)
		}
		_, stderr, err := run(t, "", args...)
		code := 1
		if tc.code != 0 {
			code = tc.code
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != code || !strings.Contains(stderr, tc.want) || len(lines(stderr)) != 1 {
			t.Errorf("%v %q: %v, want %d and %q\n%s", tc.args, tc.config, err, code, tc.want, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "r")); !os.IsNotExist(err) {
		t.Errorf("a wrong configuration left a root behind: %v", err)
	}
}
