// Package treemap lays out sizes as rectangles that fill a larger one, each as large in
// it as its size is in the sum, and as square as can be (Bruls, Huizing, van Wijk,
// "Squarified Treemaps").
package treemap

import (
	"strconv"
	"unicode/utf8"
)

// Item is what has a size.
type Item struct {
	Name string
	URL  string // of the page about it; "" if there is none
	Size int64
	Note string // beside the name, as the size in words
	Hot  bool   // it deserves attention
}

// Tile is an item with its place.
type Tile struct {
	Item
	X, Y, W, H float64
	Label      string  // as much of the name as fits; "" if nothing does
	Below      string  // the note, if it fits
	Share      float64 // of the whole, in per cent
}

// Map is a layout in a rectangle.
type Map struct {
	W, H  float64
	Tiles []Tile
}

// Of lays items out, which are sorted by size, the largest first, in a rectangle. Those
// without a size are left out.
func Of(items []Item, width, height float64) Map {
	m := Map{W: width, H: height}
	var sum float64
	for _, it := range items {
		sum += float64(max(0, it.Size))
	}
	if sum == 0 {
		return m
	}
	free := rect{0, 0, width, height}
	scale := width * height / sum
	var row []Tile
	var area float64 // of the row
	for _, it := range items {
		if it.Size <= 0 {
			continue
		}
		t := Tile{Item: it, Share: 100 * float64(it.Size) / sum}
		a := float64(it.Size) * scale
		if len(row) > 0 && worst(row, area, free.short(), scale) < worst(append(row, t), area+a, free.short(), scale) {
			m.Tiles = append(m.Tiles, free.place(row, area, scale)...)
			row, area = nil, 0
		}
		row, area = append(row, t), area+a
	}
	m.Tiles = append(m.Tiles, free.place(row, area, scale)...)
	for i := range m.Tiles {
		m.Tiles[i].label()
	}
	return m
}

type rect struct{ x, y, w, h float64 }

func (r rect) short() float64 { return min(r.w, r.h) }

// worst is the ratio of the sides of the least square of a row that lies along a side of
// a length.
func worst(row []Tile, area, side, scale float64) (ratio float64) {
	depth := area / side
	for _, t := range row {
		along := float64(t.Size) * scale / depth
		ratio = max(ratio, along/depth, depth/along)
	}
	return ratio
}

// place puts a row along the shorter side and takes its room away.
func (r *rect) place(row []Tile, area, scale float64) []Tile {
	if len(row) == 0 {
		return nil
	}
	depth, at := area/r.short(), 0.0
	for i := range row {
		along := float64(row[i].Size) * scale / depth
		if r.w >= r.h {
			row[i].X, row[i].Y, row[i].W, row[i].H = r.x, r.y+at, depth, along
		} else {
			row[i].X, row[i].Y, row[i].W, row[i].H = r.x+at, r.y, along, depth
		}
		at += along
	}
	if r.w >= r.h {
		r.x, r.w = r.x+depth, max(r.w-depth, 0)
	} else {
		r.y, r.h = r.y+depth, max(r.h-depth, 0)
	}
	return row
}

// The room that letters take, in units of the map. A CJK character is twice as wide.
const (
	letter   = 9.6
	line     = 18
	margin   = 10 // before a name
	edge     = 4  // behind it
	ellipsis = 14
	shortest = 3 // letters of a name that tell anything
)

// label is as much text as has room.
func (t *Tile) label() {
	if t.H < line+margin {
		return
	}
	t.Label = fit(t.Name, t.W-margin-edge)
	if t.Label != "" && t.H >= 2*line+margin && t.Note == fit(t.Note, t.W-margin-edge) {
		t.Below = t.Note
	}
}

// fit is a text that is cut to a width; "" if too little of it has room.
func fit(text string, width float64) string {
	var used float64
	for i, r := range text {
		w := letter
		if r > 0x2e80 {
			w *= 2
		}
		if used+w > width {
			for i > 0 && used+ellipsis > width { // room for the sign that it goes on
				_, size := utf8.DecodeLastRuneInString(text[:i])
				i, used = i-size, used-letter
			}
			if utf8.RuneCountInString(text[:i]) < shortest {
				return ""
			}
			return text[:i] + "…"
		}
		used += w
	}
	return text
}

// N is a coordinate as it is written.
func N(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
