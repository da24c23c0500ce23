package registrycmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// TestGarbageStory asks why things are kept, what would go, and has it go.
func TestGarbageStory(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	config := filepath.Join(t.TempDir(), "registry.yaml")
	// The server collects nothing while it runs: that is for the command.
	text := "gc: {interval: 1h, lease: 1s, grace: 1ms}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, root, "--tls=off", "--config", config)
	push := func(b []byte) string {
		t.Helper()
		dgst := digest.FromBytes(b).String()
		if status, _, body := p.do("POST", "/v2/team/app/blobs/uploads/?digest="+dgst, b); status != 201 {
			t.Fatalf("push: %d %s", status, body)
		}
		return dgst
	}
	layer, image, loose := []byte("a layer"), []byte("{}"), []byte("what no manifest needs")
	layerDigest, configDigest, looseDigest := push(layer), push(image), push(loose)
	m := manifestOf(configDigest, layerDigest, len(image), len(layer))
	if status, _, body := p.do("PUT", "/v2/team/app/manifests/v1", m, "Content-Type", manifestType); status != 201 {
		t.Fatalf("push: %d %s", status, body)
	}
	manifest := digest.FromBytes(m).String()
	gc := func(code int, want string, args ...string) {
		t.Helper()
		out, errs, got := here(t, "", append(append([]string{"gc"}, args...), "--root", root, "--config", config)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("gc %v: %d, want %d and %q\n%s%s", args, got, code, want, out, errs)
		}
	}
	gc(0, "team/app: needed by "+manifest, "explain", layerDigest)
	gc(0, "team/app: a manifest, tagged v1", "explain", manifest)
	gc(1, "nothing with the digest", "explain", digest.FromString("none").String())
	gc(1, "digest", "explain", "v1")
	gc(0, "stored:    4 contents", "status")
	gc(1, "the registry runs, and collects every 1h0m0s", "--now")
	waitFor(t, "the end of the lease", func() bool {
		out, _, _ := here(t, "", "gc", "explain", looseDigest, "--root", root)
		return strings.Contains(out, "the next collection takes it from there")
	})
	gc(0, looseDigest+" 22B", "--dry-run")
	gc(0, "1 content (22B) would go", "--dry-run")
	if status, _, _ := p.do("DELETE", "/v2/team/app/manifests/"+manifest, nil); status != 202 {
		t.Fatalf("delete: %d", status)
	}
	time.Sleep(5 * time.Millisecond) // the grace
	gc(0, "4 contents", "--dry-run")
	p.Stop()
	gc(0, "removed 4 contents", "--now")
	gc(0, "removed 0 contents", "--now")
	gc(0, "stored:    0 contents", "status")
	gc(125, "--now and --dry-run exclude each other", "--now", "--dry-run")
	gc(125, `there is no command "registry gc statsu"`, "statsu")
}
