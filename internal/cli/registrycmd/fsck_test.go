package registrycmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestFsckStory damages a blob below a running registry, has it found, healed
// while the registry is stopped, and pushed again.
func TestFsckStory(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	p := serve(t, root, "--tls=off")
	blob := []byte("a layer of some kind")
	dgst := digest.FromBytes(blob)
	push := func(p *process) {
		t.Helper()
		if status, _, body := p.do("POST", "/v2/team/app/blobs/uploads/?digest="+dgst.String(), blob); status != 201 {
			t.Fatalf("push: %d %s", status, body)
		}
	}
	head := func(p *process) int {
		status, _, _ := p.do("HEAD", "/v2/team/app/blobs/"+dgst.String(), nil)
		return status
	}
	fsck := func(code int, want string, args ...string) {
		t.Helper()
		out, errs, got := here(t, "", append([]string{"fsck", "--root", root}, args...)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("fsck %v: %d, want %d and %q\n%s%s", args, got, code, want, out, errs)
		}
	}
	push(p)
	fsck(0, "0 lost or damaged")
	file := filepath.Join(root, "content", "blobs", "sha256", dgst.Encoded())
	if err := os.WriteFile(file, []byte("a layer of another!!"), 0o600); err != nil {
		t.Fatal(err)
	}
	fsck(1, "damaged  "+dgst.String()+" in team/app: ")
	fsck(1, "needs the registry to be stopped", "--heal")
	p.Stop()
	fsck(1, "removed  "+dgst.String(), "--heal")
	if out, errs, code := here(t, "", "audit", "list", "--action", "content.remove", "--root", root); code != 0 || !strings.Contains(out, dgst.String()) {
		t.Errorf("the log of what was removed: %d\n%s%s", code, out, errs)
	}
	fsck(1, "lost     "+dgst.String())
	p = serve(t, root, "--tls=off")
	if got := head(p); got != 404 {
		t.Errorf("what was removed is answered with %d", got)
	}
	push(p)
	if got := head(p); got != 200 {
		t.Errorf("after the push: %d", got)
	}
	fsck(0, "0 lost or damaged")
	p.Stop()
	if err := os.Rename(filepath.Join(root, "content"), filepath.Join(root, "unmounted")); err != nil {
		t.Fatal(err)
	}
	fsck(1, "no storage at")
}
