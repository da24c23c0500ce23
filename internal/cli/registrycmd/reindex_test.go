package registrycmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestReindexStory kills a registry, moves its database away, and follows what
// the refusal to start says.
func TestReindexStory(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	p := serve(t, root, "--tls=off")
	layer := []byte("a layer of some kind")
	dgst := digest.FromBytes(layer).String()
	if status, _, body := p.do("POST", "/v2/team/app/blobs/uploads/?digest="+dgst, layer); status != 201 {
		t.Fatalf("push: %d %s", status, body)
	}
	manifest := manifestOf(dgst, dgst, len(layer), len(layer))
	for _, tag := range []string{"v1", "v2"} {
		if status, _, body := p.do("PUT", "/v2/team/app/manifests/"+tag, manifest, "Content-Type", manifestType); status != 201 {
			t.Fatalf("push: %d %s", status, body)
		}
	}
	if status, _, body := p.do("DELETE", "/v2/team/app/manifests/v2", nil); status != 202 {
		t.Fatalf("delete: %d %s", status, body)
	}
	p.Kill()
	if err := os.Rename(filepath.Join(root, "registry.db"), filepath.Join(root, "aside")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"serve", "--listen", "127.0.0.1:0", "--tls=off"}, {"fsck"}, {"fsck", "--heal"}, {"user", "list"},
	} {
		out, errs, code := here(t, "", append(args, "--root", root)...)
		for _, want := range []string{filepath.Join(root, "registry.db"), "backup", "registry reindex --root " + root, "--begin-anew"} {
			if code != 1 || !strings.Contains(errs, want) {
				t.Errorf("%v: %d, lacks %q: %s%s", args, code, want, out, errs)
			}
		}
	}
	if out, errs, code := here(t, "", "reindex", "--root", root); code != 0 ||
		!strings.Contains(out, "1 repository, 1 manifest and 1 tag of the records; 0 contents are lost") {
		t.Fatalf("reindex: %d %s%s", code, out, errs)
	}
	p = serve(t, root, "--tls=off")
	if status, _, body := p.do("GET", "/v2/team/app/manifests/v1", nil); status != 200 || string(body) != string(manifest) {
		t.Errorf("after the reindex: %d %s", status, body)
	}
	if _, _, body := p.do("GET", "/v2/team/app/tags/list", nil); !strings.Contains(string(body), fmt.Sprintf("%q]", "v1")) {
		t.Errorf("tags: %s", body)
	}
	if out, errs, code := here(t, "", "reindex", "--root", root); code != 1 || !strings.Contains(errs, "another registry serves it") {
		t.Errorf("beside a server: %d %s%s", code, out, errs)
	}
	p.Stop()
}
