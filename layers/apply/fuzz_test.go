package apply

import (
	"bytes"
	"context"
	"os"
	"testing"

	"cove/layers/archive"
	tt "cove/layers/treetest"
)

// FuzzApply lets any bytes loose in a jail, in both ways.
func FuzzApply(f *testing.F) {
	j := newJail(f)
	for i, a := range tt.Attacks(j.out()) {
		if i%7 == 0 {
			f.Add(a.Layers[0])
		}
	}
	opt := options()
	opt.Limits = archive.Limits{Entries: 200, Bytes: 1 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		lower := j.cell(t)
		dirs := []string{lower, j.cell(t), j.cell(t)}
		_, _ = Apply(context.Background(), Target{Dir: dirs[1]}, bytes.NewReader(data), opt)
		_, _ = Apply(context.Background(), Target{Dir: dirs[1]}, bytes.NewReader(data), opt)
		if os.Geteuid() == 0 {
			_, _ = Apply(context.Background(), Target{Dir: lower, Overlay: true}, bytes.NewReader(data), opt)
			_, _ = Apply(context.Background(), upperTarget(dirs[2], []string{lower}), bytes.NewReader(data), opt)
		}
		for _, dir := range dirs {
			if os.Geteuid() != 0 {
				tt.Thaw(t, dir)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		j.check(t)
	})
}
