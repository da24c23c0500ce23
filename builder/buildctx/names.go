package buildctx

import (
	"encoding/binary"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// The parts of a linux_dirent64 before its name (getdents64(2)).
const (
	direntLength = 16 // where its length is, in two bytes
	direntName   = 19
)

// listings are buffers for what the kernel tells of a directory at once.
var listings = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// readNames lists an open directory: paths below its parent, sorted by name. All of them
// are pieces of a few strings.
func readNames(fd int, parent string) ([]string, error) {
	buf := listings.Get().(*[]byte)
	defer listings.Put(buf)
	if parent != "" {
		parent += "/"
	}
	var paths []string
	var text []byte
	var ends []int
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, *buf) })
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			break
		}
		text, ends = text[:0], ends[:0]
		for at := (*buf)[:n]; len(at) > direntName; {
			length := min(int(binary.NativeEndian.Uint16(at[direntLength:])), len(at))
			name := at[direntName:length]
			if end := slices.Index(name, 0); end >= 0 {
				name = name[:end]
			}
			if string(name) != "." && string(name) != ".." {
				text = append(append(text, parent...), name...)
				ends = append(ends, len(text))
			}
			at = at[length:]
		}
		from, whole := 0, string(text)
		paths = slices.Grow(paths, len(ends))
		for _, end := range ends {
			paths = append(paths, whole[from:end])
			from = end
		}
	}
	slices.Sort(paths)
	return paths, nil
}
