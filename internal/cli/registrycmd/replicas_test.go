package registrycmd

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
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

var replicaKills = flag.Int("replica-kills", 10, "how many times one of two servers is killed during pushes")

// pair are two servers over one PostgreSQL and one bucket, each on a root of its own.
type pair struct {
	t        *testing.T
	database *metadatatest.Server
	service  *s3test.Server

	roots    [2]string
	programs [2]string // that serve
	config   string
	servers  [2]atomic.Pointer[process] // nil while one is dead
	pushed   atomic.Uint64              // how many images, which are all different
	served   atomic.Int64               // when one last acknowledged something, in microseconds
	slowest  time.Duration              // of the other one's next acknowledgement after a kill
}

// newPair starts them; gc is what their collectors are told.
func newPair(t *testing.T, gc string) *pair {
	t.Helper()
	return newPairOf(t, gc, os.Args[0])
}

// newPairOf is newPair of a program.
func newPairOf(t *testing.T, gc, program string) *pair {
	t.Helper()
	p := &pair{
		t: t, database: metadatatest.Postgres(t), service: s3test.Start(t), roots: [2]string{t.TempDir(), t.TempDir()},
		programs: [2]string{program, program},
	}
	p.config = p.configure(gc)
	for i := range p.servers {
		p.start(i)
	}
	return p
}

// configure makes a configuration of a registry with a database and a place of its own in
// the bucket.
func (p *pair) configure(gc string) (file string) {
	p.t.Helper()
	place := p.service.Config()
	text := fmt.Sprintf(`
database: %q
tls: {off: true}
log: {level: error}
gc: %s
storage:
  s3: {endpoint: %q, bucket: %q, prefix: %q, credentials: %q, ca: %q}
`, p.database.New(p.t), gc, place.Endpoint, place.Bucket, place.Prefix, place.Credentials, place.CA)
	file = filepath.Join(p.t.TempDir(), "registry.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

func (p *pair) start(i int) {
	p.t.Helper()
	p.servers[i].Store(serveBy(p.t, p.programs[i], p.roots[i], "--config", p.config, "--tls=off"))
}

// any asks one of the servers, and the other one when that is dead; a server that
// says 503 is asked again.
func (p *pair) any(method, path string, body []byte, header ...string) (int, http.Header, []byte) {
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s := p.servers[rand.IntN(2)].Load()
		if s == nil {
			continue
		}
		status, got, answer := s.do(method, path, body, header...)
		if status != 0 && status != http.StatusServiceUnavailable {
			if status < 300 {
				p.served.Store(time.Now().UnixMicro())
			}
			return status, got, answer
		}
		if method != http.MethodGet && method != http.MethodHead {
			return 0, nil, nil // it may have happened or not
		}
	}
	return 0, nil, nil
}

// push sends a blob in chunks, to any server each, and goes on where any says that
// the upload is. It gives up only when nobody knows the upload any more.
func (p *pair) push(l *ledger, repo string, b []byte) bool {
	status, header, _ := p.any("POST", "/v2/"+repo+"/blobs/uploads/", nil)
	if status != http.StatusAccepted {
		return false
	}
	upload, dgst := header.Get("Location"), digest.FromBytes(b)
	for at, tries := 0, 0; tries < 50; tries++ {
		if at < len(b) {
			end := min(at+len(b)/3+1, len(b))
			p.any("PATCH", upload, b[at:end], "Content-Range", fmt.Sprintf("%d-%d", at, end-1))
		} else if status, _, _ := p.any("PUT", upload+"?digest="+dgst.String(), nil); status == http.StatusCreated {
			l.note(func() { l.blobs[repo+" "+dgst.String()] = dgst })
			return true
		}
		status, header, _ := p.any("GET", upload, nil)
		last := -1
		if _, err := fmt.Sscanf(header.Get("Range"), "0-%d", &last); status != http.StatusNoContent || err != nil {
			return false // it is over, or was cut off after its end
		}
		if last == 0 {
			last = -1 // what an upload without bytes says
		}
		at = last + 1
	}
	return false
}

func (p *pair) pushImage(l *ledger, seed uint64, repo string) {
	layer, config := distributiontest.Bytes(seed, 6<<20), distributiontest.Bytes(^seed, 500)
	if !p.push(l, repo, layer) || !p.push(l, repo, config) {
		return
	}
	m := manifestOf(digest.FromBytes(config).String(), digest.FromBytes(layer).String(), len(config), len(layer))
	path := fmt.Sprintf("/v2/%s/manifests/t%x", repo, seed)
	status, _, body := p.any("PUT", path, m, "Content-Type", manifestType)
	switch status {
	case http.StatusCreated:
		l.note(func() { l.manifests[path] = digest.FromBytes(m) })
	case 0: // cut off
	default:
		p.t.Errorf("manifest: %d %s", status, body)
	}
}

// kill ends a server in the middle of things, waits for the other one to serve, and
// starts it again.
func (p *pair) kill(i int) {
	p.t.Helper()
	victim := p.servers[i].Swap(nil)
	victim.Kill()
	killed := time.Now()
	waitFor(p.t, "the other server to serve", func() bool { return p.served.Load() > killed.UnixMicro() })
	p.slowest = max(p.slowest, time.UnixMicro(p.served.Load()).Sub(killed))
	p.start(i)
}

// pushing has three clients push until it is told to stop.
func (p *pair) pushing(l *ledger) (stop func()) {
	var ended atomic.Bool
	var pushers sync.WaitGroup
	for worker := range 3 {
		pushers.Go(func() {
			for !ended.Load() {
				p.pushImage(l, p.pushed.Add(1), fmt.Sprintf("kill/w%d", worker))
			}
		})
	}
	return func() {
		ended.Store(true)
		pushers.Wait()
	}
}

// TestReplicasAreKilled kills one of two servers, again and again, while clients
// send each request to any of them. What was acknowledged is there, at both.
func TestReplicasAreKilled(t *testing.T) {
	t.Parallel()
	p := newPair(t, "{interval: 1s}")
	l := &ledger{blobs: map[string]digest.Digest{}, manifests: map[string]digest.Digest{}}
	stop := p.pushing(l)
	for n := range *replicaKills {
		before := l.size()
		waitFor(t, "a blob between two kills", func() bool { return l.size() > before })
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		p.kill(n % 2)
	}
	stop()
	lost := 0
	for i := range p.servers {
		lost += l.verify(p.servers[i].Load(), true)
	}
	t.Logf("%d kills of one of two servers; %d blobs and %d manifests acknowledged, %d lost; the other served within %v",
		*replicaKills, len(l.blobs), len(l.manifests), lost, p.slowest.Round(time.Millisecond))
	if p.slowest > 10*time.Second {
		t.Errorf("after a kill nobody served for %v", p.slowest)
	}
	if len(l.manifests) == 0 {
		t.Error("nothing was acknowledged: the kills test nothing")
	}
	for i := range p.servers {
		p.servers[i].Load().Stop()
	}
}
