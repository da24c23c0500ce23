package parse

import (
	"errors"
	"testing"

	"cove/errdefs"
)

func TestFilesAllowed(t *testing.T) {
	t.Parallel()
	got, err := FilesAllowed([]string{"/", "/etc:ro", "/data:rw", "/a:b", "/with space:rw"})
	if want := "ro /\nro /etc\nrw /data\nro /a:b\nrw /with space\n"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", "rel", "rel:rw", ":rw", "/a\nrw /", "./x"} {
		if got, err := FilesAllowed([]string{bad}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
}
