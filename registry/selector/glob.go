package selector

import "github.com/bmatcuk/doublestar/v4"

// most is how many texts the braces of a glob may stand for together. Each is tried,
// so that forty pairs of braces would be tried till the end of the world: who writes
// a rule would have the work of all wait for it.
const most = 256

// Valid says whether a text is a glob that can be matched in good time.
func Valid(glob string) bool { return doublestar.ValidatePattern(glob) && texts(glob) <= most }

// Match says whether a name matches a glob. What is not Valid matches nothing.
func Match(glob, name string) bool {
	if texts(glob) > most {
		return false // of before there was such a bound
	}
	ok, err := doublestar.Match(glob, name)
	return err == nil && ok
}

// texts is how many the braces of a glob stand for, or more than most.
func texts(glob string) int {
	product, open := 1, []int(nil)
	for i := 0; i < len(glob) && product <= most; i++ {
		switch glob[i] {
		case '\\':
			i++
		case '{':
			open = append(open, 1)
		case ',':
			if len(open) > 0 {
				open[len(open)-1]++
			}
		case '}':
			if len(open) > 0 {
				product *= open[len(open)-1]
				open = open[:len(open)-1]
			}
		}
	}
	return product
}
