package registrycmd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content/s3store/s3test"
	"cove/distribution/distributiontest"
	"cove/registry/metadata/metadatatest"
)

var crowdSize = flag.Int("crowd", 60, "how many clients, each with an address of its own, push and pull at once")

// perClient is what one more client at once may take of a registry's memory, in kB: each of two thousand takes some 105.
const perClient = 150

// crowd are many clients that all begin in one moment, as the machines of a cluster do when a new image is rolled out.
type crowd struct {
	t       *testing.T
	servers []*process
	image   distributiontest.Image

	later, pushed, pulled atomic.Int64
}

// TestCrowd has all of them sign in, pull one image, and one of ten push another that all of its kind share a layer
// of. Each is over TLS, has its address, and asks any of the servers. Nobody hears anything but what the protocol
// says, or 429 and 503 that say when to come again; in the end every image is there, at every server, and the servers
// hold nothing of them.
func TestCrowd(t *testing.T) {
	t.Parallel()
	for name, servers := range map[string]int{"one, SQLite and a folder": 1, "two, PostgreSQL and a bucket": 2} {
		t.Run(name, func(t *testing.T) {
			if *crowdSize < 1000 {
				t.Parallel()
			}
			testCrowd(t, servers)
		})
	}
}

func testCrowd(t *testing.T, servers int) {
	c := &crowd{t: t, image: distributiontest.NewImage(t, 2000, 256<<10)}
	var args []string
	if servers > 1 {
		args = []string{"--config", sharedByAll(t)}
	}
	for range servers {
		c.servers = append(c.servers, serveBy(t, installed(t, int64(*crowdSize)<<20), t.TempDir(), args...))
	}
	c.servers[0].pushImage("team/app", "v1", c.image)
	before := make([]int, servers)
	for i, p := range c.servers {
		before[i] = statusOf(t, p.cmd.Process.Pid, "VmHWM")
	}
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	took := make([]time.Duration, *crowdSize)
	for n := range *crowdSize {
		ready.Add(1)
		done.Go(func() {
			client := c.client(n)
			defer client.CloseIdleConnections()
			ready.Done()
			<-start
			begun := time.Now()
			if err := c.work(client, n); err != nil {
				t.Errorf("client %d: %v", n, err)
			}
			took[n] = time.Since(begun)
		})
	}
	ready.Wait()
	begun := time.Now()
	close(start)
	done.Wait()
	all := time.Since(begun)
	for i, p := range c.servers {
		for n := 0; n < *crowdSize; n += 10 {
			if status, _, body := p.do(http.MethodGet, fmt.Sprintf("/v2/team/c%d/manifests/v1", n), nil); status != http.StatusOK {
				t.Errorf("what client %d pushed: %d %s", n, status, body)
			}
		}
		peak := statusOf(t, p.cmd.Process.Pid, "VmHWM")
		t.Logf("server %d: %d kB resident at most, %d before", i, peak, before[i])
		if most := before[i] + *crowdSize*perClient; *crowdSize >= 1000 && peak > most {
			t.Errorf("the registry had %d kB in memory, %d are the most for %d clients", peak, most, *crowdSize)
		}
		p.Stop()
	}
	t.Logf("%d clients at once, %d pulls and %d pushes in %v, one of a hundred took longer than %v; %d answers said to come again",
		*crowdSize, c.pulled.Load(), c.pushed.Load(), all.Round(time.Millisecond), p99(took).Round(time.Millisecond), c.later.Load())
}

// sharedByAll is the configuration of servers that are one registry.
func sharedByAll(t *testing.T) (file string) {
	place := s3test.Start(t).Config()
	text := fmt.Sprintf("database: %q\nstorage:\n  s3: {endpoint: %q, bucket: %q, prefix: %q, credentials: %q, ca: %q}\n",
		metadatatest.Postgres(t).New(t), place.Endpoint, place.Bucket, place.Prefix, place.Credentials, place.CA)
	file = filepath.Join(t.TempDir(), "registry.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (c *crowd) client(n int) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 3, byte(n/250), byte(1+n%250))}}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: n%2 == 0, DialContext: dialer.DialContext,
	}}
}

// work is what one of them does: the calls of a pull, and of a push.
func (c *crowd) work(client *http.Client, n int) error {
	repo := fmt.Sprintf("team/c%d", n)
	token, err := c.token(client, n, repo)
	if err != nil {
		return err
	}
	ask := func(want int, method, path string, body []byte, header ...string) ([]byte, error) {
		return c.ask(client, n, want, method, path, body, append(header, "Authorization", "Bearer "+token)...)
	}
	m, err := ask(http.StatusOK, http.MethodGet, "/v2/team/app/manifests/v1", nil, "Accept", manifestType)
	if err != nil || !bytes.Equal(m, c.image.Manifest.Body) {
		return errors.Join(err, errors.New("the manifest is another one"))
	}
	for dgst := range c.image.Blobs {
		b, err := ask(http.StatusOK, http.MethodGet, "/v2/team/app/blobs/"+dgst.String(), nil)
		if err != nil || digest.FromBytes(b) != dgst {
			return errors.Join(err, fmt.Errorf("%s is another blob", dgst))
		}
	}
	c.pulled.Add(1)
	if n%10 != 0 {
		return nil
	}
	layer, config := distributiontest.Bytes(1, 128<<10), distributiontest.Bytes(uint64(3000+n), 64<<10)
	for _, b := range [][]byte{layer, config} {
		path := "/v2/" + repo + "/blobs/uploads/?digest=" + digest.FromBytes(b).String()
		if _, err := ask(http.StatusCreated, http.MethodPost, path, b); err != nil {
			return err
		}
	}
	body := manifestOf(digest.FromBytes(config).String(), digest.FromBytes(layer).String(), len(config), len(layer))
	if _, err := ask(http.StatusCreated, http.MethodPut, "/v2/"+repo+"/manifests/v1", body, "Content-Type", manifestType); err != nil {
		return err
	}
	c.pushed.Add(1)
	return nil
}

func (c *crowd) token(client *http.Client, n int, repo string) (string, error) {
	scopes := url.Values{"service": {"cove-registry"}, "scope": {"repository:team/app:pull", "repository:" + repo + ":pull,push"}}
	body, err := c.ask(client, n, http.StatusOK, http.MethodGet, "/token?"+scopes.Encode(), nil)
	var answer struct{ Token string }
	return answer.Token, errors.Join(err, json.Unmarshal(body, &answer))
}

// ask has one request answered, by any server; who is told to come again does.
func (c *crowd) ask(client *http.Client, n, want int, method, path string, body []byte, header ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Minute)
	defer cancel()
	for tries := 0; ; tries++ {
		req, err := http.NewRequestWithContext(ctx, method, c.servers[(n+tries)%len(c.servers)].URL(path), bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth("admin", testPassword)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		got, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode == want {
			return got, err
		}
		again := resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests
		if !again || resp.Header.Get("Retry-After") == "" || tries == 100 {
			return nil, fmt.Errorf("%s %s: %s\n%s", method, path, resp.Status, got)
		}
		c.later.Add(1)
		time.Sleep(time.Duration(100+n%100) * 10 * time.Millisecond)
	}
}
