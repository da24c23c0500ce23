package process

import (
	"slices"
	"strconv"
)

// Descendants are pid and, among others, its children and theirs, without those
// whose parent has ended.
func Descendants(pid int, among []int) []int {
	parents := map[int]int{}
	for _, p := range among {
		if fields := stat(p); len(fields) > 1 {
			parents[p], _ = strconv.Atoi(fields[1]) // the kernel's number
		}
	}
	found := []int{pid}
	for i := 0; i < len(found); i++ {
		for child, parent := range parents {
			if parent == found[i] && !slices.Contains(found, child) {
				found = append(found, child)
			}
		}
	}
	return found
}
