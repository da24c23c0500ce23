package apply

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/layers/archive"
	tt "cove/layers/treetest"
)

// jail is a directory with canaries, and below it where attacks are let loose.
type jail struct {
	dir    string
	before map[string]string
	cells  int
}

func newJail(t testing.TB) *jail {
	t.Helper()
	j := &jail{dir: t.TempDir()}
	for _, err := range []error{
		os.MkdirAll(filepath.Join(j.dir, "in"), 0o755),
		os.MkdirAll(filepath.Join(j.out(), "dir"), 0o755),
		os.WriteFile(filepath.Join(j.out(), "canary"), []byte("alive"), 0o644),
		os.WriteFile(filepath.Join(j.out(), "dir", "canary"), []byte("alive"), 0o644),
		os.WriteFile(filepath.Join(j.dir, "in", "canary"), []byte("alive"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	j.before = j.describe(t)
	return j
}

func (j *jail) out() string { return filepath.Join(j.dir, "outside") }

// cell is a new directory to extract to.
func (j *jail) cell(t testing.TB) string {
	t.Helper()
	j.cells++
	dir := filepath.Join(j.dir, "in", fmt.Sprintf("cell%d", j.cells))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// describe leaves out the cells, and the time of the directory they are in.
func (j *jail) describe(t testing.TB) map[string]string {
	t.Helper()
	got := tt.Describe(t, j.dir)
	maps.DeleteFunc(got, func(name, _ string) bool { return name == "in" || strings.HasPrefix(name, "in/cell") })
	return got
}

func (j *jail) check(t testing.TB) {
	t.Helper()
	if d := tt.Diff(j.before, j.describe(t)); d != "" {
		t.Fatalf("the world outside changed:\n%s", d)
	}
}

// ways are the ways of applying a stack of layers; each returns the
// directories it wrote and the first error.
var ways = map[string]func(testing.TB, *jail, [][]byte) ([]string, error){
	"merged": func(t testing.TB, j *jail, ls [][]byte) ([]string, error) {
		dir := j.cell(t)
		for _, data := range ls {
			if _, err := Apply(context.Background(), Target{Dir: dir}, bytes.NewReader(data), options()); err != nil {
				return []string{dir}, err
			}
		}
		return []string{dir}, nil
	},
	"overlay": func(t testing.TB, j *jail, ls [][]byte) ([]string, error) {
		// An upper below another, so that a layer has something to hide.
		uppers := []string{j.cell(t)}
		for _, data := range ls {
			dir := j.cell(t)
			_, err := Apply(context.Background(), upperTarget(dir, uppers), bytes.NewReader(data), options())
			uppers = append([]string{dir}, uppers...)
			if err != nil {
				return uppers, err
			}
		}
		return uppers, nil
	},
	"extract": func(t testing.TB, j *jail, ls [][]byte) ([]string, error) {
		dir := j.cell(t)
		for _, data := range ls {
			if err := archive.Extract(context.Background(), dir, bytes.NewReader(data), options()); err != nil {
				return []string{dir}, err
			}
		}
		return []string{dir}, nil
	},
}

// T20: nothing in an archive writes or deletes outside.
func TestAttacks(t *testing.T) {
	attacks := tt.Attacks("/")
	ran, refused := 0, 0
	for way, apply := range ways {
		t.Run(way, func(t *testing.T) {
			if way == "overlay" {
				tt.NeedRoot(t, "whiteout devices")
			}
			j := newJail(t)
			for _, a := range tt.Attacks(j.out()) {
				dirs, err := apply(t, j, a.Layers)
				ran++
				if err != nil {
					refused++
				}
				if err == nil && a.Refused && (way != "extract" || !strings.Contains(a.Name, "whiteout")) && !needsRoot(a.Name) {
					t.Errorf("%s: not refused", a.Name)
				}
				for _, dir := range dirs {
					if os.Geteuid() != 0 {
						tt.Thaw(t, dir)
					}
					checkInside(t, a.Name, way, dir)
					if err := os.RemoveAll(dir); err != nil {
						t.Fatalf("%s: %v", a.Name, err)
					}
				}
				j.check(t)
				if t.Failed() {
					t.Fatalf("%s: stopped", a.Name)
				}
			}
		})
	}
	if len(attacks) < 400 {
		t.Errorf("the corpus has shrunk to %d", len(attacks))
	}
	if t.Failed() {
		return
	}
	t.Logf("T20: %d attacks, %d runs, %d refused, 0 writes or deletes outside the root", len(attacks), ran, refused)
}

// needsRoot: who may not set an attribute or make a device skips it, and so
// cannot refuse it.
func needsRoot(name string) bool {
	return os.Geteuid() != 0 && (strings.Contains(name, "device") || strings.Contains(name, "capability"))
}

// checkInside: what a layer may not leave behind inside either.
func checkInside(t *testing.T, name, way, dir string) {
	t.Helper()
	for path, line := range tt.Describe(t, dir) {
		for _, attr := range []string{"redirect", "metacopy", "origin", "user.overlay", "user.fuseoverlayfs", "user.containers", "overlay.whiteout", "trusted.evil"} {
			if strings.Contains(line, attr) {
				t.Errorf("%s: %s has %s", name, path, line)
			}
		}
		if way != "overlay" && (strings.Contains(line, "trusted.overlay") || strings.Contains(line, "dev=0:0")) {
			t.Errorf("%s: %s has %s", name, path, line)
		}
	}
	if way != "overlay" {
		return
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		t.Errorf("%s: the top directory is gone: %v", name, err)
	}
}
