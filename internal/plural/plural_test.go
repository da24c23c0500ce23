package plural_test

import (
	"testing"

	"cove/internal/plural"
)

func TestSprintf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format string
		args   []any
		want   string
	}{
		{"%d packages, %d vulnerabilities", []any{1, 1}, "1 package, 1 vulnerability"},
		{"%d packages, %d vulnerabilities", []any{2, 0}, "2 packages, 0 vulnerabilities"},
		{"%s: %d vulnerabilities%s", []any{"grype", 1, ", 1 low"}, "grype: 1 vulnerability, 1 low"},
		{"%d%% of %d files", []any{1, 1}, "1% of 1 file"},
		{"%d stay", []any{1}, "1 stay"},
		{"%d tags are back, %d entries are lost", []any{1, 1}, "1 tag is back, 1 entry is lost"},
		{"%d tags are back, %d areas", []any{2, 1}, "2 tags are back, 1 area"},
		{"%d of them", []any{int64(1)}, "1 of them"},
	} {
		if got := plural.Sprintf(c.format, c.args...); got != c.want {
			t.Errorf("%q %v: %q, want %q", c.format, c.args, got, c.want)
		}
	}
}
