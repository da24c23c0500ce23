package treemap_test

import (
	"math"
	"strings"
	"testing"

	"cove/registry/web/treemap"
)

// TestOf: tiles are as large as their items, lie within the map, do not overlap, and are
// not much longer than wide.
func TestOf(t *testing.T) {
	t.Parallel()
	for name, sizes := range map[string][]int64{
		"one":    {5},
		"equal":  {1, 1, 1, 1, 1, 1, 1, 1, 1},
		"uneven": {1 << 40, 1 << 39, 1 << 38, 1 << 20, 1 << 10, 1},
		"empty":  {0, 0},
		"none":   nil,
		"holes":  {10, 0, 6, -3, 4},
	} {
		var items []treemap.Item
		var sum float64
		for _, s := range sizes {
			items = append(items, treemap.Item{Name: "project", Size: s, Note: "1 KiB"})
			sum += float64(max(0, s))
		}
		m := treemap.Of(items, 1000, 400)
		var area float64
		for i, tile := range m.Tiles {
			area += tile.W * tile.H
			if want := float64(tile.Size) / sum * 400_000; math.Abs(tile.W*tile.H-want) > 1e-3*want+1e-6 {
				t.Errorf("%s: tile %d has %f, want %f", name, i, tile.W*tile.H, want)
			}
			if tile.X < -1e-6 || tile.Y < -1e-6 || tile.X+tile.W > 1000+1e-6 || tile.Y+tile.H > 400+1e-6 {
				t.Errorf("%s: tile %d is outside: %+v", name, i, tile)
			}
			for _, other := range m.Tiles[:i] {
				if overlap(tile, other) {
					t.Errorf("%s: %+v and %+v overlap", name, tile, other)
				}
			}
		}
		if sum > 0 && math.Abs(area-400_000) > 1 {
			t.Errorf("%s: the tiles fill %f", name, area)
		}
		if name == "equal" {
			for _, tile := range m.Tiles {
				if tile.W/tile.H > 2.6 || tile.H/tile.W > 2.6 {
					t.Errorf("a long tile: %+v", tile)
				}
			}
		}
	}
}

func overlap(a, b treemap.Tile) bool {
	const e = 1e-6
	return a.X+a.W > b.X+e && b.X+b.W > a.X+e && a.Y+a.H > b.Y+e && b.Y+b.H > a.Y+e
}

// TestLabels: a name is cut to its tile, or left out; a wide character takes two places.
func TestLabels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		width float64
		want  string
	}{
		{"payments", 400, "payments"},
		{"payments", 60, "pay…"},
		{"payments", 30, ""},
		{"支付项目组的仓库", 400, "支付项目组的仓库"},
		{"支付项目组的仓库", 100, "支付…"},
	} {
		m := treemap.Of([]treemap.Item{{Name: c.name, Size: 1}}, c.width, 100)
		if got := m.Tiles[0].Label; !strings.HasPrefix(got, strings.TrimSuffix(c.want, "…")) || (c.want == "") != (got == "") ||
			strings.HasSuffix(c.want, "…") != strings.HasSuffix(got, "…") {
			t.Errorf("%q in %v: %q, want about %q", c.name, c.width, got, c.want)
		}
	}
}
