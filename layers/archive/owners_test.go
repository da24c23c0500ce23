package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
)

// TestOwners extracts for a user namespace, whose owners are other ones on disk,
// and packs what is there again.
func TestOwners(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: changes owners")
	}
	owners := mount.IDMap{
		UIDs: []mount.IDRange{{Outside: 100_000, Size: 1000}}, GIDs: []mount.IDRange{{Outside: 200_000, Size: 1000}},
	}
	var in bytes.Buffer
	tw := tar.NewWriter(&in)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "f", Mode: 0o755, Uid: 33, Gid: 44}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Extract(t.Context(), dir, &in, Options{Owners: owners}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "f"), &st); err != nil || st.Uid != 100_033 || st.Gid != 200_044 {
		t.Errorf("on disk it belongs to %d:%d, %v", st.Uid, st.Gid, err)
	}
	// As root of that namespace sets cap_net_raw+ep.
	scoped := append([]byte{1, 0, 0, 3, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0xa0, 0x86, 1, 0) // 100,000
	if err := unix.Setxattr(filepath.Join(dir, "f"), capability, scoped, 0); err != nil {
		t.Fatal(err)
	}
	hdr := packed(t, dir, owners)
	if hdr.Uid != 33 || hdr.Gid != 44 {
		t.Errorf("packed it belongs to %d:%d", hdr.Uid, hdr.Gid)
	}
	if got := hdr.PAXRecords[XattrPrefix+capability]; got != string([]byte{1, 0, 0, 2})+string(scoped[4:20]) {
		t.Errorf("its capabilities are %x", got)
	}
	in.Reset()
	tw = tar.NewWriter(&in)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "g", Uid: 1000}); err != nil {
		t.Fatal(err)
	}
	err := Extract(t.Context(), dir, &in, Options{Owners: owners})
	if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "owner 1000:0 is not in the container's user namespace") {
		t.Errorf("an owner that the namespace has not: %v", err)
	}
}

func packed(t *testing.T, dir string, owners mount.IDMap) *tar.Header {
	t.Helper()
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(Pack(context.WithoutCancel(t.Context()), w, dir, PackOptions{Owners: owners}))
	}()
	defer r.Close()
	tr := tar.NewReader(r)
	for {
		hdr, err := tr.Next()
		if err != nil {
			t.Fatal(err)
		}
		if hdr.Name == "f" {
			return hdr
		}
	}
}
