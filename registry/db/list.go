package db

import (
	"slices"
	"strconv"
)

// ListMost is how many values one statement takes as a list.
const ListMost = 100

// lists are the lengths that a list in a statement has: few, so that they are few
// prepared statements.
var lists = []int{1, 8, ListMost}

// List is a list of values, one to ListMost, for the IN of a statement: the placeholders
// after those of the arguments that come first, and all arguments. The last value stands
// in for those that are missing to one of a few lengths.
func List[T ~string](values []T, first ...any) (placeholders string, args []any) {
	i, _ := slices.BinarySearch(lists, len(values))
	text := make([]byte, 0, 6*lists[i])
	args = slices.Grow(first, lists[i])
	for n := range lists[i] {
		if n > 0 {
			text = append(text, ", "...)
		}
		args = append(args, string(values[min(n, len(values)-1)]))
		text = strconv.AppendInt(append(text, '$'), int64(len(args)), 10)
	}
	return string(text), args
}
