package output

import (
	"strings"
	"testing"
)

// TestPackings: a build packs each layer once, so its outputs must agree.
func TestPackings(t *testing.T) {
	t.Parallel()
	one, two := 1, 2
	for _, tc := range []struct {
		all  []Packing
		want string // compression, or the error
	}{
		{[]Packing{{}, {Compression: "zstd"}, {Level: &one, Force: true}}, "zstd"},
		{[]Packing{{Compression: "uncompressed"}, {}}, "none"},
		{[]Packing{{Compression: "gzip"}, {Compression: "zstd"}}, "compression gzip and zstd"},
		{[]Packing{{Level: &one}, {Level: &two}}, "compression-level 1 and 2"},
		{[]Packing{{Compression: "uncompressed", Level: &one}}, "has no level"},
		{[]Packing{{Compression: "lz4"}}, "want gzip"},
	} {
		var all Packing
		var err error
		for _, p := range tc.all {
			if all, err = all.And(p); err != nil {
				break
			}
		}
		got := ""
		if err == nil {
			got, _, err = all.Steps()
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tc.want) || err == nil && len(tc.all) == 3 && (!all.Force || *all.Level != 1) {
			t.Errorf("%+v: %q and %+v, want %q", tc.all, got, all, tc.want)
		}
	}
}

func TestCompressionLevel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		level, want int // 0 is an error
	}{
		{"", 9, 9},
		{"gzip", 1, 1},
		{"gzip", 10, 0},
		{"zstd", 0, 1},
		{"zstd", 3, 2},
		{"zstd", 7, 3},
		{"zstd", 22, 4},
		{"zstd", 23, 0},
		{"zstd", -1, 0},
		{"none", 1, 0},
	} {
		got, err := steps(tc.name, tc.level)
		if got != tc.want || (err != nil) != (tc.want == 0) {
			t.Errorf("%s %d: %d %v, want %d", tc.name, tc.level, got, err, tc.want)
		}
	}
}
