package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"cove/engine"
	"cove/engine/api"
	"cove/engine/api/listen"
	"cove/engine/api/route"
)

// client asks the API of an engine.
type client struct {
	*http.Client
	socket string
}

// fresh is an engine on an empty root.
func fresh(t testing.TB) *engine.Engine {
	t.Helper()
	eng, err := engine.Open(engine.Config{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

// contextless is for what is cleaned up when a test has ended.
func contextless() context.Context { return context.Background() }

// serve serves an engine, and returns a client of it.
func serve(t testing.TB, eng *engine.Engine, allow ...string) *client {
	t.Helper()
	access, err := route.ParseAccess(allow)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := listen.Unix(t.Context(), socket, listen.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(contextless())
	ended := make(chan error)
	go func() { ended <- api.Serve(ctx, api.Handler(ctx, eng, access), l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &client{&http.Client{Transport: tr}, socket}
}

func (c *client) ask(t testing.TB, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://d"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestPing(t *testing.T) {
	t.Parallel()
	c := serve(t, fresh(t), "events")
	for method, body := range map[string]string{"GET": "OK", "HEAD": ""} {
		res, text := c.ask(t, method, "/_ping", "")
		if res.StatusCode != http.StatusOK || text != body {
			t.Errorf("%s is %d %q", method, res.StatusCode, text)
		}
		for key, want := range map[string]string{
			"Builder-Version": "2", "Swarm": "inactive", "Cache-Control": "no-cache, no-store, must-revalidate",
			"Pragma": "no-cache", "Content-Type": "text/plain; charset=utf-8", "Ostype": "linux", "Cove-Access": "events",
		} {
			if got := res.Header.Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", method, key, got, want)
			}
		}
		if method == "HEAD" && res.ContentLength != 0 {
			t.Errorf("HEAD promises %d bytes", res.ContentLength)
		}
	}
}

func TestVersionAndInfo(t *testing.T) {
	t.Parallel()
	c := serve(t, fresh(t))
	_, text := c.ask(t, "GET", "/v1.24/version", "")
	var version struct {
		APIVersion    string `json:"ApiVersion"`
		MinAPIVersion string
		Components    []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(text), &version); err != nil || version.APIVersion != "1.51" ||
		version.MinAPIVersion != "1.24" || len(version.Components) != 1 {
		t.Errorf("%v: %s", err, text)
	}
	_, text = c.ask(t, "GET", "/info", "")
	var info struct {
		OSType, Driver, CgroupVersion, DefaultRuntime string
		NCPU                                          int
		MemTotal                                      int64
		Swarm                                         struct{ LocalNodeState string }
		Runtimes                                      map[string]any
		SecurityOptions                               []string
	}
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if info.OSType != "linux" || info.NCPU == 0 || info.MemTotal == 0 || info.Swarm.LocalNodeState != "inactive" ||
		info.Runtimes[info.DefaultRuntime] == nil || len(info.SecurityOptions) == 0 ||
		info.CgroupVersion != "1" && info.CgroupVersion != "2" {
		t.Errorf("%s", text)
	}
}
