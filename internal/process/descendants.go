package process

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Together are, ascending, the processes of the pid namespace that pid is the first
// of, in the numbers of the caller's; of one that is the first of none, pid and its
// descendants. One that has ended is alone with none.
func Together(pid int) ([]int, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return nil, nil //nolint:nilerr // it has ended, and with it whoever was in its namespace
	}
	namespace, err := os.Readlink(dir + "/ns/pid")
	if err != nil {
		return nil, nil //nolint:nilerr // likewise
	}
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	_, numbers, _ := bytes.Cut(status, []byte("\nNSpid:"))
	numbers, _, _ = bytes.Cut(numbers, []byte("\n"))
	first := bytes.HasSuffix(numbers, []byte("\t1")) && bytes.Count(numbers, []byte("\t")) > 1
	var found []int
	for _, name := range names {
		other, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if first {
			if theirs, err := os.Readlink(name + "/ns/pid"); err != nil || theirs != namespace {
				continue
			}
		}
		found = append(found, other)
	}
	if !first {
		found = Descendants(pid, found)
	}
	slices.Sort(found)
	return found, nil
}

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
