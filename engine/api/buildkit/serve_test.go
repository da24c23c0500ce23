package buildkit_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"cove/engine"
	"cove/engine/api/buildkit"
	"cove/engine/api/route"
	"cove/engine/builds/changes"
	engineimages "cove/engine/images"
)

// runtimeBinary builds cove-runtime once for all tests of the package.
var runtimeBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cove-buildkit-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cove-runtime")
	build := exec.Command("go", "build", "-o", path, "cove/cmd/cove-runtime")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := runtimeBinary(); err == nil && os.Geteuid() == 0 {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// fixture is a server over an engine of its own.
type fixture struct {
	engine *engine.Engine
	socket string
	// state is where builds keep what they work with.
	state string
}

func newFixture(t *testing.T, cfg buildkit.Config) *fixture {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: containers are made")
	}
	runtime, err := runtimeBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := &fixture{socket: filepath.Join(dir, "s"), state: filepath.Join(dir, "root", "build")}
	f.engine, err = engine.Open(engine.Config{Root: filepath.Join(dir, "root"), RuntimePath: runtime, Changes: changes.Read})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Engine = f.engine
	f.serve(t, cfg, f.socket)
	t.Cleanup(func() { nothingLeft(t, f.state) })
	return f
}

// serve serves a socket of its own.
func (f *fixture) serve(t *testing.T, cfg buildkit.Config, socket string) string {
	t.Helper()
	return serveAs(t, cfg, socket, route.WithConn)
}

func serveAs(
	t *testing.T, cfg buildkit.Config, socket string, known func(context.Context, net.Conn) context.Context,
) string {
	t.Helper()
	access, err := route.ParseAccess(nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := route.NewMux(buildkit.New(cfg).Routes(), "1", access)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	web := &http.Server{
		Handler: mux, Protocols: protocols, ReadHeaderTimeout: time.Minute, ConnContext: known,
	}
	go web.Serve(l)
	t.Cleanup(func() { web.Close() })
	return socket
}

// nothingLeft checks that what clients sent is gone when their builds have ended, unless it is
// kept for the next ones.
func nothingLeft(t *testing.T, state string) {
	t.Helper()
	for range 100 {
		left, _ := filepath.Glob(filepath.Join(state, "context-*"))
		kept, _ := filepath.Glob(filepath.Join(state, "contexts", "*", "mark"))
		stats, _ := filepath.Glob(filepath.Join(state, "stat", "*"))
		if len(left) == 0 && (len(stats) == 0 || len(kept) > 0) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("contexts are left in %s", state)
}

// withBase adds the image "busybox".
func (f *fixture) withBase(t *testing.T) *fixture {
	t.Helper()
	body, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs busybox-static: /bin/busybox is missing")
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(h *tar.Header, body []byte) {
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	put(&tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755}, body)
	for _, applet := range []string{"sh", "cat", "echo", "sleep", "seq", "test", "ls"} {
		put(&tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.engine.Import(t.Context(), &b, engineimages.ImportOptions{Name: "busybox"}); err != nil {
		t.Fatal(err)
	}
	return f
}

// byUpgrade is a client as docker's is: its connections begin as HTTP/1.1.
func (f *fixture) byUpgrade(t *testing.T) *client.Client {
	t.Helper()
	return f.client(t,
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return f.upgrade(ctx, "/grpc", "h2c", nil)
		}),
		client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return f.upgrade(ctx, "/session", proto, meta)
		}),
	)
}

// byHTTP2 is a client whose connection begins as HTTP/2, with the session inside.
func (f *fixture) byHTTP2(t *testing.T) *client.Client {
	t.Helper()
	return f.client(t)
}

func (f *fixture) client(t *testing.T, opts ...client.ClientOpt) *client.Client {
	t.Helper()
	return clientOf(t, f.socket, opts...)
}

func clientOf(t *testing.T, socket string, opts ...client.ClientOpt) *client.Client {
	t.Helper()
	c, err := client.New(t.Context(), "unix://"+socket, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (f *fixture) upgrade(ctx context.Context, path, proto string, meta map[string][]string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", f.socket)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://d"+path, nil)
	if err != nil {
		return nil, err
	}
	for key, values := range meta {
		req.Header[http.CanonicalHeaderKey(key)] = values
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", proto)
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("%s: %s", path, res.Status)
	}
	return conn, nil
}

// folder makes a directory of files that a client has.
func folder(t *testing.T, files map[string]string) fsutil.FS {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// seen is the progress of a build.
type seen struct {
	logs, warnings string
	cached         map[string]bool
	errors         map[string]string
}

// build builds a directory, and returns what was told of it.
func build(ctx context.Context, t *testing.T, c *client.Client, opt client.SolveOpt) (map[string]string, seen, error) {
	t.Helper()
	opt.Frontend = "dockerfile.v0"
	told := make(chan *client.SolveStatus)
	got := seen{cached: map[string]bool{}, errors: map[string]string{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range told {
			for _, l := range s.Logs {
				got.logs += string(l.Data)
			}
			for _, w := range s.Warnings {
				got.warnings += string(w.Short) + "\n"
			}
			for _, v := range s.Vertexes {
				if v.Completed != nil {
					got.cached[v.Name] = v.Cached
				}
				if v.Error != "" {
					got.errors[v.Name] = v.Error
				}
			}
		}
	}()
	res, err := c.Solve(ctx, nil, opt, told)
	<-done
	if err != nil {
		return nil, got, err
	}
	return res.ExporterResponse, got, nil
}
