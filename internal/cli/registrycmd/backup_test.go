package registrycmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestBackupStory backs up a registry that serves, by a folder, an archive and a
// pipe, and serves what was restored.
func TestBackupStory(t *testing.T) {
	t.Parallel()
	root, dir := t.TempDir(), t.TempDir()
	p := serve(t, root, "--tls=off")
	blob := []byte("a layer of some kind")
	dgst := digest.FromBytes(blob)
	if status, _, body := p.do("POST", "/v2/team/app/blobs/uploads/?digest="+dgst.String(), blob); status != 201 {
		t.Fatalf("push: %d %s", status, body)
	}
	expect := func(stdin string, code int, want string, args ...string) (stdout string) {
		t.Helper()
		out, errs, got := here(t, stdin, args...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("%v: %d, want %d and %q\n%s%s", args, got, code, want, out, errs)
		}
		return out
	}
	folder, file := filepath.Join(dir, "folder"), filepath.Join(dir, "registry.tar")
	for range 2 {
		expect("", 0, "1 content, 20B, in ", "backup", folder, "--root", root)
	}
	expect("", 0, "1 content", "backup", file, "--root", root)
	piped := expect("", 0, "-: 1 content", "backup", "-", "--root", root)
	for from, stdin := range map[string]string{folder: "", file: "", "-": piped} {
		expect(stdin, 0, "has 1 content, 20B; 0 are missing or damaged", "restore", "--verify", from)
	}
	expect("", 1, "is no backup of a registry", "restore", "--verify", os.Args[0])
	expect("", 1, "is no whole backup", "restore", "--verify", t.TempDir())
	expect("", 1, "is neither empty nor a backup", "backup", root, "--root", root)
	expect("", 1, "another registry serves it", "restore", file, "--root", root)

	restored := filepath.Join(dir, "restored")
	expect("", 0, "1 content, 20B, were read again and compared; 0 are lost or damaged", "restore", file, "--root", restored)
	q := serve(t, restored, "--tls=off")
	if status, _, got := q.do("GET", "/v2/team/app/blobs/"+dgst.String(), nil); status != 200 || string(got) != string(blob) {
		t.Errorf("restored: %d %q", status, got)
	}
	q.Stop()
	expect("", 1, "holds a registry already", "restore", file, "--root", restored)

	if err := os.Remove(filepath.Join(folder, "content", "blobs", "sha256", dgst.Encoded())); err != nil {
		t.Fatal(err)
	}
	expect("", 1, "missing  blob "+dgst.String(), "restore", "--verify", folder)
	expect("", 1, "1 content is missing", "restore", folder, "--root", filepath.Join(dir, "lossy"))
}

// TestMigrateStory moves the schema of a stopped registry down and up.
func TestMigrateStory(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	p := serve(t, root, "--tls=off")
	expect := func(code int, want string, args ...string) {
		t.Helper()
		out, errs, got := here(t, "", append([]string{"migrate"}, append(args, "--root", root)...)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("migrate %v: %d, want %d and %q\n%s%s", args, got, code, want, out, errs)
		}
	}
	expect(0, "held bytes", "status")
	expect(1, "needs the registry to be stopped", "down")
	p.Stop()
	expect(0, "the database as it was: "+root, "down", "--to", "11")
	expect(0, "not yet", "status")
	for _, verb := range [][]string{
		{"fsck"},
		{"fsck", "--heal"},
		{"backup", t.TempDir()},
		{"gc", "status"},
		{"gc", "--dry-run"},
		{"gc", "--now"},
		{"gc", "explain", digest.FromString("").String()},
		{"import", t.TempDir()},
		{"user", "list"},
		{"user", "add", "anne", "--random"},
		{"project", "create", "team"},
		{"audit", "list"},
		{"robot", "list"},
		{"proxy", "ls"},
		{"access", "explain", "admin", "pull", "a/b"},
	} {
		out, errs, got := here(t, "", append(verb, "--root", root)...)
		if got != 1 || !strings.Contains(errs, "at version 11") || !strings.Contains(errs, "registry migrate up --root "+root) {
			t.Errorf("%v of an older schema: %d\n%s%s", verb, got, out, errs)
		}
	}
	expect(0, "not yet", "status")
	expect(1, "the way there is: registry migrate up --to 12", "down", "--to", "12")
	expect(0, "came from version 11 to 14", "up", "--to", "14")
	expect(1, "the way back is: registry migrate down --to 12", "up", "--to", "12")
	expect(0, "came from version 14 to", "up")
	expect(0, "already", "up")
	copies := func() int {
		t.Helper()
		all, err := filepath.Glob(filepath.Join(root, "before-migration", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range all {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		return len(all)
	}
	copies()
	expect(1, "there is no version 4", "down", "--to", "4")
	expect(1, "there is no version 9999", "up", "--to", "9999")
	if n := copies(); n > 0 {
		t.Errorf("%d copies were made for versions that there are not", n)
	}
	expect(125, "--to is 0", "down", "--to", "0")
}
