package mount

import (
	"slices"

	"cove/errdefs"
)

// Translate takes a range whose Outside are ids inside of ranges, and returns it with
// what those are outside; no range is all ids. What is not wholly in one of them is
// errdefs.ErrInvalid.
func Translate(ranges []IDRange, r IDRange) (IDRange, error) {
	if len(ranges) == 0 {
		return r, nil
	}
	for _, in := range ranges {
		if r.Outside >= in.Inside && uint64(r.Outside)+uint64(r.Size) <= uint64(in.Inside)+uint64(in.Size) {
			r.Outside += in.Outside - in.Inside
			return r, nil
		}
	}
	return r, errdefs.Errorf(errdefs.ErrInvalid, "the container has no ids %d to %d", r.Outside, r.Outside+r.Size-1)
}

// Without is ranges without what two ids inside are: they are cut there.
func Without(ranges []IDRange, ids ...uint32) []IDRange {
	ranges = slices.Clone(ranges)
	for _, id := range ids {
		for i, r := range ranges {
			if id < r.Inside || id-r.Inside >= r.Size {
				continue
			}
			n := id - r.Inside
			cut := []IDRange{
				{Inside: r.Inside, Outside: r.Outside, Size: n},
				{Inside: id + 1, Outside: r.Outside + n + 1, Size: r.Size - n - 1},
			}
			cut = slices.DeleteFunc(cut, func(r IDRange) bool { return r.Size == 0 })
			ranges = slices.Replace(ranges, i, i+1, cut...)
			break
		}
	}
	return ranges
}
