package registrycmd

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
)

var kills = flag.Int("kills", 20, "how many times the registry is killed during pushes")

// ledger is what the registry has acknowledged.
type ledger struct {
	mu        sync.Mutex
	blobs     map[string]digest.Digest // "repo digest"
	manifests map[string]digest.Digest // path
	chunks    map[string]int           // upload's path: bytes
	mounts    int
}

func (l *ledger) note(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

func (l *ledger) size() (n int) {
	l.note(func() { n = len(l.blobs) })
	return n
}

// TestKilledDuringPushes kills the registry in the middle of pushes of every
// kind. What was acknowledged must be there, and right, after a restart.
func TestKilledDuringPushes(t *testing.T) {
	t.Parallel()
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, 0))
	root := t.TempDir()
	l := &ledger{blobs: map[string]digest.Digest{}, manifests: map[string]digest.Digest{}, chunks: map[string]int{}}
	var slowest time.Duration
	lost := 0
	for n := range *kills {
		p := serve(t, root, "--tls=off")
		slowest = max(slowest, p.took)
		lost += l.verify(p, n == *kills-1)
		before := l.size()
		pushers := startPushers(p, l, n)
		// On a busy machine the first sign-in alone may take that long.
		waitFor(t, "the first blob of a round", func() bool { return l.size() > before })
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		p.Kill()
		pushers.Wait()
	}
	p := serve(t, root, "--tls=off")
	lost += l.verify(p, true)
	p.Stop()
	t.Logf("seed %d: %d kills; %d blobs (%d of them mounted) and %d manifests acknowledged, %d lost; slowest restart %v",
		seed, *kills, len(l.blobs), l.mounts, len(l.manifests), lost, slowest.Round(time.Millisecond))
	if slowest > 5*time.Second {
		t.Errorf("a restart took %v", slowest)
	}
	if len(l.manifests) == 0 || l.mounts == 0 {
		t.Error("hardly anything was acknowledged: the kills test nothing")
	}
}

// startPushers pushes until the connection breaks.
func startPushers(p *process, l *ledger, round int) *sync.WaitGroup {
	var wg sync.WaitGroup
	for worker := range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				seed := uint64(round)<<32 | uint64(worker)<<16 | uint64(i)
				if !pushOne(p, l, seed, fmt.Sprintf("kill/w%d", worker), i%2 == 1) {
					return
				}
			}
		})
	}
	return &wg
}

// pushOne pushes an image, its layer whole or in chunks, and mounts the layer
// into a second repository. It says whether the registry still answers.
func pushOne(p *process, l *ledger, seed uint64, repo string, chunked bool) bool {
	layer := distributiontest.Bytes(seed, 50_000)
	config := distributiontest.Bytes(^seed, 500)
	layerDigest, configDigest := digest.FromBytes(layer), digest.FromBytes(config)
	push := pushWhole
	if chunked {
		push = pushChunks
	}
	if !push(p, l, repo, layer) || !pushWhole(p, l, repo, config) {
		return false
	}
	status, _, _ := p.do("POST", "/v2/kill/mounted/blobs/uploads/?mount="+layerDigest.String()+"&from="+repo, nil)
	if status == 201 {
		l.note(func() { l.blobs["kill/mounted "+layerDigest.String()] = layerDigest; l.mounts++ })
	}
	m := manifestOf(configDigest.String(), layerDigest.String(), len(config), len(layer))
	path := fmt.Sprintf("/v2/%s/manifests/t%x", repo, seed)
	status, _, body := p.do("PUT", path, m, "Content-Type", manifestType)
	if status == 201 {
		l.note(func() { l.manifests[path] = digest.FromBytes(m) })
	} else if status != 0 {
		p.t.Errorf("manifest: %d %s", status, body)
	}
	return status == 201
}

func pushWhole(p *process, l *ledger, repo string, b []byte) bool {
	dgst := digest.FromBytes(b)
	status, _, body := p.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+dgst.String(), b)
	return acknowledged(p, l, repo, dgst, status, body)
}

func acknowledged(p *process, l *ledger, repo string, dgst digest.Digest, status int, body []byte) bool {
	if status == 201 {
		l.note(func() { l.blobs[repo+" "+dgst.String()] = dgst })
	} else if status != 0 {
		p.t.Errorf("blob: %d %s", status, body)
	}
	return status == 201
}

func pushChunks(p *process, l *ledger, repo string, b []byte) bool {
	status, header, _ := p.do("POST", "/v2/"+repo+"/blobs/uploads/", nil)
	if status != 202 {
		return false
	}
	upload := header.Get("Location")
	at := 0
	for size := len(b) / 3; at+size <= len(b); at += size {
		status, _, _ = p.do("PATCH", upload, b[at:at+size], "Content-Range", fmt.Sprintf("%d-%d", at, at+size-1))
		if status != 202 {
			return false
		}
		l.note(func() { l.chunks[upload] = at + size })
	}
	dgst := digest.FromBytes(b)
	status, _, body := p.do("PUT", upload+"?digest="+dgst.String(), b[at:])
	l.note(func() { delete(l.chunks, upload) }) // it may be over or not: nobody knows
	return acknowledged(p, l, repo, dgst, status, body)
}

// verify counts what was acknowledged and is lost or wrong. Uploads in chunks
// are looked at once, since the pushers go on with none of them.
func (l *ledger) verify(p *process, everything bool) (lost int) {
	for upload, want := range l.chunks {
		status, header, _ := p.do("GET", upload, nil)
		last := -1 // a chunk may have arrived whole and not been acknowledged
		if _, err := fmt.Sscanf(header.Get("Range"), "0-%d", &last); err != nil || status != 204 || last+1 < want {
			p.t.Errorf("lost chunks: %s: %d, %d bytes, %d were acknowledged", upload, status, last+1, want)
			lost++
		}
	}
	clear(l.chunks)
	if !everything {
		return lost
	}
	for key, dgst := range l.blobs {
		repo, _, _ := strings.Cut(key, " ")
		lost += check(p, "/v2/"+repo+"/blobs/"+dgst.String(), dgst)
	}
	for path, dgst := range l.manifests {
		lost += check(p, path, dgst)
	}
	return lost
}

func check(p *process, path string, want digest.Digest) int {
	if status, _, body := p.do("GET", path, nil); status != 200 || digest.FromBytes(body) != want {
		p.t.Errorf("lost: %s: %d, %d bytes", path, status, len(body))
		return 1
	}
	return 0
}
