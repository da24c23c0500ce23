// Package numset reads the kernel's lists of processors and memory nodes, as
// 0-3,7 (cpuset(7), "List format").
package numset

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Set has bit n%64 of word n/64 for each number n in it.
type Set []uint64

// most is more than any kernel has of processors or memory nodes.
const most = 8192

// Parse reads a list; an empty one is an empty set, and one with an empty part is none.
func Parse(list string) (Set, error) {
	var s Set
	if strings.TrimSpace(list) == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.ParseUint(from, 10, 16)
		last := first
		if err == nil && isRange {
			last, err = strconv.ParseUint(to, 10, 16)
		}
		if err != nil || last < first || last >= most {
			return nil, fmt.Errorf("%q is not a number or a range of them", part)
		}
		for n := first; n <= last; n++ {
			for len(s) <= int(n/64) {
				s = append(s, 0)
			}
			s[n/64] |= 1 << (n % 64)
		}
	}
	return s, nil
}

// In reports whether all of s is in the other set.
func (s Set) In(other Set) bool {
	for i, word := range s {
		if i >= len(other) && word != 0 || i < len(other) && word&^other[i] != 0 {
			return false
		}
	}
	return true
}

// Len is how many numbers are in the set.
func (s Set) Len() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// Mask is the set as the kernel writes one: a number of which each bit is a member.
func (s Set) Mask() string {
	text := ""
	for _, word := range slices.Backward(s) {
		if text != "" {
			text += fmt.Sprintf("%016x", word)
		} else if word != 0 {
			text = fmt.Sprintf("0x%x", word)
		}
	}
	return cmp.Or(text, "0x0")
}
