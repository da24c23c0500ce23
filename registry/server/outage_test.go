package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content/contenttest"
	"cove/content/s3store/s3test"
	"cove/internal/strictyaml"
	"cove/registry/metadata/metadatatest"
)

// clients push and pull while something fails, and note what was acknowledged.
type clients struct {
	place
	front *httptest.Server
	hc    *http.Client

	mu           sync.Mutex
	acknowledged map[digest.Digest][]byte
	refused      atomic.Int64
}

func newClients(p place, s *Server) *clients {
	front := httptest.NewServer(s.handler)
	p.t.Cleanup(front.Close)
	return &clients{place: p, front: front, hc: front.Client(), acknowledged: map[digest.Digest][]byte{}}
}

// do is a request whose answer is a success, a 503 that says when to come again, or
// broken off; 0 is that.
func (c *clients) do(method, path string, body []byte) (int, []byte) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(c.t.Context()), method, c.front.URL+path, bytes.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	req.SetBasicAuth("admin", testPassword)
	resp, err := c.hc.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return 0, nil
	case resp.StatusCode == http.StatusServiceUnavailable:
		c.refused.Add(1)
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || n < 1 {
			c.t.Errorf("%s %s: it does not say when to come again", method, path)
		}
	case resp.StatusCode >= 500:
		c.t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, got)
	}
	return resp.StatusCode, got
}

// work pushes a blob and pulls one of those that were acknowledged.
func (c *clients) work(seed uint64) {
	b := contenttest.Bytes(seed, 70_000)
	dgst := digest.FromBytes(b)
	if status, _ := c.do("POST", "/v2/team/app/blobs/uploads/?digest="+dgst.String(), b); status == http.StatusCreated {
		c.mu.Lock()
		c.acknowledged[dgst] = b
		c.mu.Unlock()
	}
	c.mu.Lock()
	var ask digest.Digest
	for dgst := range c.acknowledged {
		ask = dgst
		break
	}
	c.mu.Unlock()
	status, got := c.do("GET", "/v2/team/app/blobs/"+ask.String(), nil)
	if status == http.StatusOK && digest.FromBytes(got) != ask {
		c.t.Errorf("%s: %d other bytes", ask, len(got))
	}
	if status == http.StatusNotFound {
		c.t.Errorf("%s is not found while something fails", ask)
	}
}

// during has three clients work until what fails has refused some of them.
func (c *clients) during(name string, fail, mend func()) {
	c.t.Helper()
	for len(c.acknowledged) == 0 { // on a busy machine the first may be late
		c.work(1)
	}
	before := c.refused.Load()
	var stop atomic.Bool
	var seed atomic.Uint64
	seed.Store(uint64(len(name)) << 20)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for !stop.Load() {
				c.work(seed.Add(1))
			}
		})
	}
	fail()
	limit := time.Now().Add(2 * time.Minute)
	for c.refused.Load() < before+6 && time.Now().Before(limit) {
		time.Sleep(10 * time.Millisecond)
	}
	for _, path := range []string{"/livez", "/metrics"} {
		if status, _ := c.do("GET", path, nil); status != http.StatusOK {
			c.t.Errorf("%s: GET %s: %d", name, path, status)
		}
	}
	mend()
	stop.Store(true)
	all.Wait()
	if c.refused.Load() < before+6 {
		c.t.Errorf("%s: nobody was refused: nothing has failed", name)
	}
	c.eventually(name, "/readyz")
	for dgst, b := range c.acknowledged {
		if got := c.eventually(name, "/v2/team/app/blobs/"+dgst.String()); !bytes.Equal(got, b) {
			c.t.Errorf("%s: %s was acknowledged, and is lost", name, dgst)
		}
	}
	c.t.Logf("%s: %d blobs acknowledged so far, %d requests refused, 0 lost", name, len(c.acknowledged),
		c.refused.Load()-before)
}

// eventually reads what must come back by itself.
func (c *clients) eventually(name, path string) []byte {
	c.t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status, got := c.do("GET", path, nil)
		if status == http.StatusOK {
			return got
		}
		if time.Now().After(limit) {
			c.t.Fatalf("%s: %s does not recover: %d", name, path, status)
		}
	}
}

// TestDatabaseIsGone ends the connections to PostgreSQL while clients push and pull.
func TestDatabaseIsGone(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	relay, dsn := metadatatest.Through(t, metadatatest.Postgres(t).New(t))
	p := place{t: t, root: metadatatest.Dir(t), dsn: dsn}
	must(t, p.start(p.config(), func(s *Server) {
		c := newClients(p, s)
		for _, name := range []string{"gone", "gone again"} {
			c.during(name, relay.Cut, relay.Pass)
		}
	}))
}

// failing is an S3 service with something before it that fails.
type failing struct {
	mode atomic.Pointer[string]
	to   http.Handler
}

func (f *failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch *f.mode.Load() {
	case "500", "503":
		status, _ := strconv.Atoi(*f.mode.Load()) // it is a number
		w.WriteHeader(status)
	case "SlowDown":
		s3test.SlowDown(w)
	case "sometimes SlowDown":
		if rand.IntN(4) == 0 {
			s3test.SlowDown(w)
			return
		}
		f.to.ServeHTTP(w, r)
	case "hangs":
		// A request whose body nobody reads does not hear that its client has gone.
		for *f.mode.Load() == "hangs" && r.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		panic(http.ErrAbortHandler)
	case "cuts":
		f.to.ServeHTTP(&cutting{ResponseWriter: w, left: 1000}, r)
	default:
		f.to.ServeHTTP(w, r)
	}
}

// cutting breaks an answer off after some bytes.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; c.left == 0 {
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// front puts a failing service before a real one, over TLS, and has the storage use it.
func (f *failing) front(t *testing.T, p *place, service *s3test.Server) {
	t.Helper()
	u, err := url.Parse(service.Endpoint)
	must(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own service
		},
	}
	f.to = proxy
	f.set("")
	server := httptest.NewTLSServer(f)
	t.Cleanup(server.Close)
	p.s3.Endpoint, p.s3.CA = server.URL, filepath.Join(t.TempDir(), "ca.pem")
	p.s3.Attempts, p.s3.Timeout = 1, strictyaml.Duration(2*time.Second)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	must(t, os.WriteFile(p.s3.CA, block, 0o600))
}

func (f *failing) set(mode string) { f.mode.Store(&mode) }

// TestBucketFails has the service answer 5xx, hang, and cut what it sends, while
// clients push and pull.
func TestBucketFails(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	p := place{t: t, root: metadatatest.Dir(t)}
	service := s3test.Start(t)
	p.s3 = bucketOf(service)
	var f failing
	f.front(t, &p, service)
	must(t, p.start(p.config(), func(s *Server) {
		c := newClients(p, s)
		for _, mode := range []string{"500", "503", "SlowDown", "hangs", "cuts"} {
			c.during(mode, func() { f.set(mode) }, func() { f.set("") })
		}
	}))
}

// TestBucketIsBusy has the service say SlowDown to one request of four: the clients notice
// nothing of it but the time.
func TestBucketIsBusy(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	p := place{t: t, root: metadatatest.Dir(t)}
	service := s3test.Start(t)
	p.s3 = bucketOf(service)
	var f failing
	f.front(t, &p, service)
	p.s3.Attempts, p.s3.Timeout = 8, strictyaml.Duration(time.Minute)
	must(t, p.start(p.config(), func(s *Server) {
		c := newClients(p, s)
		f.set("sometimes SlowDown")
		var all sync.WaitGroup
		for n := range 24 {
			all.Go(func() { c.work(uint64(n + 1)) })
		}
		all.Wait()
		f.set("")
		if len(c.acknowledged) != 24 || c.refused.Load() != 0 {
			t.Errorf("%d of 24 blobs are acknowledged, %d requests were refused", len(c.acknowledged), c.refused.Load())
		}
		for dgst, b := range c.acknowledged {
			if got := c.eventually("busy", "/v2/team/app/blobs/"+dgst.String()); !bytes.Equal(got, b) {
				t.Errorf("%s was acknowledged, and is lost", dgst)
			}
		}
	}))
}
