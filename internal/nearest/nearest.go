// Package nearest finds the name that somebody meant who typed another.
package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// Name is the candidate that name was most likely meant to be, or "": every third
// letter may be wrong. Upper and lower case count as different letters.
func Name(name string, candidates []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		d := distance(name, c)
		if len(name) > 2 && strings.HasPrefix(c, name) {
			d = min(d, 1)
		}
		// Among equals, a slip of the fingers more often keeps the length.
		if d < bestDistance || best != "" && d == bestDistance && len(best) != len(name) && len(c) == len(name) {
			best, bestDistance = c, d
		}
	}
	return best
}

// Question asks for the end of an error whether the nearest candidate was meant, whatever
// its case; "" if none is near.
func Question(name string, candidates []string) string {
	if meant := Fold(name, candidates); meant != "" {
		return fmt.Sprintf("; did you mean %q?", meant)
	}
	return ""
}

// Fold is Name where upper and lower case are one.
func Fold(name string, candidates []string) string {
	folded := map[string]string{}
	var keys []string
	for _, c := range candidates {
		key := strings.ToLower(c)
		folded[key] = c
		keys = append(keys, key)
	}
	return folded[Name(strings.ToLower(name), keys)]
}

// distance counts insertions, deletions, replacements and swaps of neighbours.
func distance(a, b string) int {
	var before, prev []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, row = prev, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, prev[j]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
