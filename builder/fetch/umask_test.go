package fetch

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cove/builder/plan"
	"cove/internal/gittest"
)

// TestModesOfACommit: they are the same whatever the umask of who builds is. It changes
// that of the process, so no other test may run meanwhile.
func TestModesOfACommit(t *testing.T) {
	repo := gittest.New(t)
	repo.Commit(map[string]string{"file": "x", "dir/program": "y", "link": "-> file"})
	repo.Git("update-index", "--chmod=+x", "dir/program")
	repo.Git("commit", "-q", "-m", "a program")
	want := map[string]string{".": "drwxr-xr-x", "file": "-rw-r--r--", "dir": "drwxr-xr-x", "dir/program": "-rwxr-xr-x", "link": "Lrwxrwxrwx"}
	for _, mask := range []int{0, 0o022, 0o077} {
		dir := t.TempDir()
		before := unix.Umask(mask)
		_, _, err := Git{}.Checkout(t.Context(), &plan.Git{Remote: repo.URL, Ref: "main"}, dir)
		unix.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := os.Lstat(p)
			if err == nil {
				rel, _ := filepath.Rel(dir, p)
				got[rel] = info.Mode().String()
			}
			return err
		})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("umask %o: %v %s", mask, err, diff)
		}
	}
}
