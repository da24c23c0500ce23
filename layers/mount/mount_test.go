package mount

import "testing"

func TestIDMap(t *testing.T) {
	t.Parallel()
	m := IDMap{
		UIDs: []IDRange{{Outside: 100_000, Size: 1000}, {Inside: 5000, Outside: 300_000, Size: 10}},
		GIDs: []IDRange{{Outside: 200_000, Size: 1000}},
	}
	for _, c := range []struct {
		uid, gid       uint32 // inside
		outUID, outGID uint32
		ok             bool
	}{
		{0, 0, 100_000, 200_000, true},
		{999, 33, 100_999, 200_033, true},
		{5009, 1, 300_009, 200_001, true},
		{1000, 0, 0, 0, false},
		{0, 1000, 0, 0, false},
		{5010, 0, 0, 0, false},
	} {
		uid, gid, ok := m.Outside(c.uid, c.gid)
		if ok != c.ok || ok && (uid != c.outUID || gid != c.outGID) {
			t.Errorf("%d:%d is %d:%d, %v outside", c.uid, c.gid, uid, gid, ok)
		}
		if !ok {
			continue
		}
		if uid, gid := m.Inside(uid, gid); uid != c.uid || gid != c.gid {
			t.Errorf("%d:%d comes back as %d:%d", c.uid, c.gid, uid, gid)
		}
	}
	if uid, gid := m.Inside(33, 33); uid != 33 || gid != 33 {
		t.Errorf("an owner of the layers below is %d:%d", uid, gid)
	}
	if uid, gid, ok := (IDMap{}).Outside(33, 44); uid != 33 || gid != 44 || !ok {
		t.Errorf("without a map: %d:%d, %v", uid, gid, ok)
	}
	overlay, bind := Mount{Type: "overlay", IDMap: m}, Mount{Type: "bind", IDMap: m}
	if overlay.Owners().IsZero() || !bind.Owners().IsZero() {
		t.Error("an overlay's upper directory has the owners outside, a bind those inside")
	}
}
