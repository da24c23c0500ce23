package host

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

func TestErrKind(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]error{
		unix.ENOENT:                      errdefs.ErrNotFound,
		fmt.Errorf("x: %w", unix.EACCES): errdefs.ErrDenied,
		&os.PathError{Err: unix.EROFS}:   errdefs.ErrUnavailable,
		unix.ELOOP:                       errdefs.ErrInvalid,
		unix.EOPNOTSUPP:                  errdefs.ErrUnsupported,
		unix.ENOSPC:                      errdefs.ErrExhausted,
		errors.New("no errno"):           errdefs.ErrUnavailable,
	} {
		if got := ErrKind(err); !errors.Is(got, want) {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

func TestCgroupModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[CgroupMode]string{CgroupNone: "none", CgroupV1: "v1", CgroupHybrid: "hybrid", CgroupV2: "v2"} {
		if mode.String() != want {
			t.Errorf("%d: %s", mode, mode)
		}
	}
}
