package quotacmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/registry/api/work"
	"cove/registry/metadata/usage"
	"cove/registry/quota"
)

func TestRowsOfProjects(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		quota.Usage
		want string
	}{
		{
			quota.Usage{Project: "free", Used: 1536, Limit: quota.Unlimited},
			"free|1.5KiB|none|-|0B",
		},
		{
			quota.Usage{Project: "as-all", Used: 1 << 30, Limit: 4 << 30, Waiting: 1 << 20},
			"as-all|1GiB|4GiB (default)|25|1MiB",
		},
		{
			quota.Usage{Project: "own", Used: 3 << 30, Limit: 1 << 30, Own: true},
			"own|3GiB|1GiB|300|0B",
		},
		{
			quota.Usage{Project: "closed", Limit: 0, Own: true},
			"closed|0B|0B|100|0B",
		},
	} {
		if got := strings.Join(item(work.QuotaOf(tc.Usage)).Row, "|"); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

func TestRowsOfRecounts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		quota.Recount
		want []string
	}{
		{quota.Recount{Project: "right"}, []string{"right", "yes", "0", "0", "0", "0", "no"}},
		{
			quota.Recount{
				Project: "wrong", Mended: true,
				Recounted: usage.Recounted{
					Differences: []usage.Difference{{Digest: "a"}, {Digest: "b"}}, Holders: []digest.Digest{"b", "c"},
					Repositories: 4, Used: -7, Waiting: 7,
				},
			},
			[]string{"wrong", "no", "3", "-7", "7", "4", "yes"},
		},
	} {
		if got := recountItem(work.RecountOf(tc.Recount)).Row; !slices.Equal(got, tc.want) {
			t.Errorf("%v, want %v", got, tc.want)
		}
	}
}
