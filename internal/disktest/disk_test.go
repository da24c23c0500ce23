package disktest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestCut: what was synced is there after a cut, what was not is gone or not, and a
// file system of each kind mounts again.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := New(t, kind)
			dir := d.Mount()
			want := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
			err := write(filepath.Join(dir, "synced"), want, true)
			if err = errors.Join(err, write(filepath.Join(dir, "not"), want, false)); err != nil {
				t.Fatal(err)
			}
			d.cut(rand.New(rand.NewPCG(1, 0)), 0) // without what the kernel would write back meanwhile
			if err := write(filepath.Join(dir, "after"), want, true); err == nil {
				t.Error("a disk without power takes what is written")
			}
			d.Unmount()
			dir = d.Mount()
			if got, err := os.ReadFile(filepath.Join(dir, "synced")); err != nil || !bytes.Equal(got, want) {
				t.Errorf("synced: %d bytes, %v", len(got), err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "not")); err == nil && bytes.Equal(got, want) {
				t.Error("what nobody synced is there, without luck")
			}
			if _, err := os.Stat(filepath.Join(dir, "after")); err == nil {
				t.Error("what was written after the cut is there")
			}
			if c := d.Counts(); c.Cuts != 1 || c.Flushes == 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// write makes a file, and has it and its name last.
func write(name string, b []byte, sync bool) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil || !sync {
		return err
	}
	parent, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// TestLuck: with luck all of the cache is written, without it nothing, and in between
// it is what the seed says.
func TestLuck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		luck     float64
		min, max int
	}{{0, 0, 0}, {0.5, 200, 312}, {1, 512, 512}} {
		var first []byte
		for range 2 {
			p := newPlatters(1 << 22)
			for n := range int64(512) {
				if _, errno := p.write([]byte{1}, n*pageSize); errno != 0 {
					t.Fatal(errno)
				}
			}
			p.cut(rand.New(rand.NewPCG(7, 7)), tc.luck)
			if _, errno := p.read(make([]byte, 1), 0); errno == 0 {
				t.Error("a disk without power is read")
			}
			p.on()
			got := make([]byte, 512*pageSize)
			if _, errno := p.read(got, 0); errno != 0 {
				t.Fatal(errno)
			}
			if n := bytes.Count(got, []byte{1}); n < tc.min || n > tc.max || n != p.counts.Lucky || n+p.counts.Lost != 512 {
				t.Errorf("luck %v: %d pages, %+v", tc.luck, n, p.counts)
			}
			if first != nil && !bytes.Equal(first, got) {
				t.Error("one seed, two outcomes")
			}
			first = got
		}
	}
}
