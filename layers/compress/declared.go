package compress

import (
	"encoding/binary"
	"io"
)

// DeclaredSize is how many bytes a stream of size bytes says that it unpacks to,
// without unpacking it: the trailer of gzip (RFC 1952: the length modulo 2^32 is
// its last four bytes) or the headers of zstd frames (RFC 8878, 3.1.1). It is 0
// where neither says it, and a hint where one does.
func DeclaredSize(r io.ReaderAt, size int64) int64 {
	var head [memberHeader]byte
	n, _ := r.ReadAt(head[:], 0)
	switch {
	case memberSize(head[:n]) > 0:
		return membersSize(r, size)
	case n >= 18 && head[0] == 0x1f && head[1] == 0x8b:
		var tail [4]byte
		if _, err := r.ReadAt(tail[:], size-4); err != nil {
			return 0
		}
		return int64(binary.LittleEndian.Uint32(tail[:]))
	case Detect(head[:n]) == Zstd:
		return framesSize(r, size)
	}
	return 0
}

// membersSize adds up what the members of a stream say; 0 when one says nothing.
func membersSize(r io.ReaderAt, size int64) (total int64) {
	for at := int64(0); at < size; {
		var head [memberHeader]byte
		n, _ := r.ReadAt(head[:], at)
		length := memberSize(head[:n])
		if length == 0 {
			return 0
		}
		at += int64(length)
		var tail [4]byte
		if _, err := r.ReadAt(tail[:], at-4); err != nil {
			return 0
		}
		total += int64(binary.LittleEndian.Uint32(tail[:]))
	}
	return total
}
