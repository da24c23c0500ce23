package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"testing"

	"cove/errdefs"
)

// TestImportRefusesDeletions: in the tar of a root filesystem these are files,
// and would be gone from the image without a word.
func TestImportRefusesDeletions(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"etc/file": true, ".whatever": true, "a.wh.b": true,
		".wh.file": false, "etc/.wh.file": false, "etc/.wh..wh..opq": false, ".wh.dir/file": false,
	} {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		for _, entry := range []string{"first", name, "last"} {
			body := bytes.Repeat([]byte("x"), 100_000)
			err := tw.WriteHeader(&tar.Header{Name: entry, Mode: 0o644, Size: int64(len(body))})
			if err == nil {
				_, err = tw.Write(body)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		s := newStore(t, nil)
		_, err := s.Import(t.Context(), &buf, ImportOptions{Name: "example/app"})
		if ok && err != nil || !ok && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
