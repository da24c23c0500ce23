package registrycmd

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
)

var backupKills = flag.Int("backup-kills", 2, "how many backups are taken while servers, and every other backup, are killed")

// TestBackupWhileServersAreKilled backs up a registry of two servers, on PostgreSQL and a
// bucket, again and again, while clients push and delete, the collector runs, and servers
// are killed; every other backup is killed too, and begun again in its folder. Each one is
// whole, and what is restored of it is consistent and has all that was acknowledged, and
// not deleted, before it began.
func TestBackupWhileServersAreKilled(t *testing.T) {
	t.Parallel()
	b := &backedUp{pair: newPair(t, "{interval: 100ms, lease: 4s, grace: 1ms}"), dir: t.TempDir(), acknowledged: map[string]digest.Digest{}}
	var pushers sync.WaitGroup
	for worker := range 3 {
		pushers.Go(func() {
			for i := 0; !b.ended.Load(); i++ {
				b.pushAndDelete(uint64(worker)<<32|uint64(i), fmt.Sprintf("backup/w%d", worker))
			}
		})
	}
	t.Cleanup(pushers.Wait)
	t.Cleanup(func() { b.ended.Store(true) })
	kept, lost := 0, 0
	for n := range *backupKills {
		for before := b.size(); b.size() < before+9; {
			time.Sleep(10 * time.Millisecond)
		}
		then := b.until() // acknowledged before the backup began
		to := filepath.Join(b.dir, fmt.Sprint("backup", n))
		if n%4 == 1 {
			to += ".tar"
		}
		b.backup(n, to)
		if out, errs, err := run(t, "", "restore", "--verify", to); err != nil || !strings.Contains(out, "; 0 are missing or damaged") {
			t.Fatalf("backup %d is not whole: %v\n%s%s", n, err, out, errs)
		}
		kept += len(then)
		lost += b.restored(n, to, then)
	}
	b.ended.Store(true)
	pushers.Wait()
	t.Logf("%d backups during %d kills of servers and %d of backups; %d manifests and blobs were acknowledged before them, %d are lost",
		*backupKills, b.killed, b.cut, kept, lost)
	if kept == 0 || b.killed == 0 {
		t.Error("nothing was acknowledged: the backups prove nothing")
	}
	for i := range b.servers {
		b.servers[i].Load().Stop()
	}
}

// backedUp is a pair whose backups are looked at.
type backedUp struct {
	*pair
	dir         string
	killed, cut int // servers; backups
	ended       atomic.Bool

	mu           sync.Mutex
	acknowledged map[string]digest.Digest // by the path of a manifest or blob that stays
}

func (b *backedUp) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.acknowledged)
}

func (b *backedUp) until() map[string]digest.Digest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.acknowledged)
}

// pushAndDelete pushes an image, and deletes every third one at once.
func (b *backedUp) pushAndDelete(seed uint64, repo string) {
	layer, config := distributiontest.Bytes(seed, 200_000), distributiontest.Bytes(^seed, 500)
	l, begun := &ledger{blobs: map[string]digest.Digest{}}, time.Now()
	if !b.push(l, repo, layer) || !b.push(l, repo, config) {
		return
	}
	m := manifestOf(digest.FromBytes(config).String(), digest.FromBytes(layer).String(), len(config), len(layer))
	path := fmt.Sprintf("/v2/%s/manifests/t%x", repo, seed)
	if status, _, body := b.any("PUT", path, m, "Content-Type", manifestType); status != http.StatusCreated {
		if status != 0 && time.Since(begun) < 2*time.Second { // neither cut off nor longer than half of a lease
			b.t.Errorf("manifest: %d %s", status, body)
		}
		return
	}
	if seed%3 == 0 {
		b.any("DELETE", "/v2/"+repo+"/manifests/"+digest.FromBytes(m).String(), nil)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acknowledged[path] = digest.FromBytes(m)
	for _, blob := range [][]byte{layer, config} {
		dgst := digest.FromBytes(blob)
		b.acknowledged["/v2/"+repo+"/blobs/"+dgst.String()] = dgst
	}
}

// backup takes the nth one, while a server is killed. Every other time the backup is killed
// as well, somewhere, and begins again.
func (b *backedUp) backup(n int, to string) {
	b.t.Helper()
	args := []string{"backup", to, "--root", b.roots[n%2], "--config", b.config}
	if n%2 == 1 {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Duration(50+rand.IntN(1000))*time.Millisecond)
		err := commandLine(ctx, args...).Run()
		cancel()
		if err != nil {
			b.cut++
		}
	}
	done := make(chan string, 1)
	go func() {
		out, errs, err := run(b.t, "", args...)
		if err != nil {
			done <- fmt.Sprintf("%v: %s%s", err, out, errs)
		}
		close(done)
	}()
	for i := n; ; i++ {
		select {
		case failed := <-done:
			if failed != "" {
				b.t.Fatalf("backup %d failed: %s", n, failed)
			}
			return
		case <-time.After(time.Duration(rand.IntN(400)) * time.Millisecond):
			b.kill(i % 2)
			b.killed++
		}
	}
}

// restored restores a backup beside the registry, and counts what is lost of it.
func (b *backedUp) restored(n int, from string, want map[string]digest.Digest) (lost int) {
	b.t.Helper()
	root := filepath.Join(b.dir, fmt.Sprint("restored", n))
	config := b.configure("{interval: 1h}")
	out, errs, err := run(b.t, "", "restore", from, "--root", root, "--config", config)
	if err != nil || !strings.Contains(out, "; 0 are lost or damaged") {
		b.t.Fatalf("restoring backup %d: %v\n%s%s", n, err, out, errs)
	}
	p := serve(b.t, root, "--config", config, "--tls=off")
	defer p.Stop()
	for path, dgst := range want {
		lost += check(p, path, dgst)
	}
	return lost
}
