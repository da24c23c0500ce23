package machine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
	"cove/layers/mount"
)

func TestSubordinate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]mount.IDRange{
		"":                                    subIDs,
		"other:100000:65536\n":                subIDs,
		"other:1:2\ncove:500000:131072\nx\n":  {Outside: 500_000, Size: 131_072},
		"cove:0:65536\n":                      {},
		"cove:4294967295:65536\n":             {},
		"cove:a:b\n":                          {},
		"# cove:1:2 is no line of the file\n": subIDs,
	} {
		file := filepath.Join(t.TempDir(), "subuid")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := subordinate(file)
		if (err != nil) != (want == mount.IDRange{}) || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if got, err := subordinate(filepath.Join(t.TempDir(), "none")); err != nil || got != subIDs {
		t.Errorf("without a file: %+v, %v", got, err)
	}
}

func TestFreeIDs(t *testing.T) {
	t.Parallel()
	uids, err := subordinate("/etc/subuid")
	if err != nil {
		t.Skipf("the machine's own: %v", err)
	}
	first, err := FreeIDs(nil)
	if err != nil || first.UIDs[0].Outside != uids.Outside || first.UIDs[0].Size != idRange {
		t.Errorf("the first range is %+v, %v", first, err)
	}
	second, err := FreeIDs(map[uint32]bool{first.UIDs[0].Outside: true})
	if err != nil || second.UIDs[0].Outside != uids.Outside+idRange || second.GIDs[0].Size != idRange {
		t.Errorf("the second range is %+v, %v", second, err)
	}
	all := map[uint32]bool{}
	for n := range uids.Size / idRange {
		all[uids.Outside+n*idRange] = true
	}
	if _, err := FreeIDs(all); !errors.Is(err, errdefs.ErrExhausted) {
		t.Errorf("when all are taken: %v", err)
	}
}

// Whoever keeps its number has it outside as id 0; the others make room, and none is
// there twice.
func TestAround(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		self, n uint32
		want    []mount.IDRange
	}{
		{0, 10, []mount.IDRange{{Size: 1}, {Inside: 1, Outside: 1, Size: 9}}},
		{3, 10, []mount.IDRange{{Outside: 1, Size: 3}, {Inside: 3, Size: 1}, {Inside: 4, Outside: 4, Size: 6}}},
		{9, 10, []mount.IDRange{{Outside: 1, Size: 9}, {Inside: 9, Size: 1}}},
		{1000, 10, []mount.IDRange{{Outside: 1, Size: 9}, {Inside: 1000, Size: 1}}},
		{1000, 1, []mount.IDRange{{Inside: 1000, Size: 1}}},
	} {
		got := around(c.self, c.n)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%d of %d (-want +got):\n%s", c.self, c.n, diff)
		}
	}
}

func TestKeptIDs(t *testing.T) {
	t.Parallel()
	if _, ok := Rootless(); ok || os.Geteuid() != 0 {
		t.Skip("of root")
	}
	m, err := KeptIDs(7, 7, 0)
	if err != nil || len(m.UIDs) != 1 || m.UIDs[0].Outside != 0 || m.UIDs[0].Size < idRange {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := KeptIDs(0, 0, 1000); err != nil || m.UIDs[0].Size != 1000 || m.GIDs[0].Size != 1000 {
		t.Errorf("%+v, %v", m, err)
	}
}
