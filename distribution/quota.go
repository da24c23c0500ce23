package distribution

import (
	"fmt"

	"github.com/docker/go-units"

	"cove/errdefs"
)

// QuotaError refuses bytes that a project has no room for. It is errdefs.ErrExhausted.
type QuotaError struct {
	Project     string
	Limit, Used int64 // bytes
	// More is how many bytes more were to be stored, of an upload in progress so far;
	// 0 when that is not known.
	More int64
}

func (e *QuotaError) Error() string {
	more := "nothing more fits"
	if e.More > 0 {
		more = size(e.More) + " more do not fit"
	}
	return fmt.Sprintf("project %q may use %s and uses %s, so that %s; delete what nobody needs there, "+
		"or ask an administrator of the registry for a higher quota", e.Project, size(e.Limit), size(e.Used), more)
}

// size is exact to the byte where few digits would show two sizes as the same.
func size(n int64) string {
	if n < 10_000 {
		return fmt.Sprintf("%d bytes", n)
	}
	return units.CustomSize("%.4g %s", float64(n), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"})
}

// Unwrap tells the kind.
func (e *QuotaError) Unwrap() error { return errdefs.ErrExhausted }
