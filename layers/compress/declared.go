package compress

import (
	"encoding/binary"
	"io"
)

// DeclaredSize is how many bytes a stream of size bytes says that it unpacks to,
// without unpacking it: the trailer of gzip (RFC 1952: the length modulo 2^32 is
// its last four bytes) or the header of a zstd frame (RFC 8878, 3.1.1). It is 0
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
	case n >= 18 && binary.LittleEndian.Uint32(head[:]) == 0xfd2fb528:
		return zstdSize(head)
	}
	return 0
}

func zstdSize(head [memberHeader]byte) int64 {
	descriptor := head[4]
	single := descriptor&0x20 != 0
	at := 5 + [4]int{0, 1, 2, 4}[descriptor&3]
	if !single {
		at++ // window descriptor
	}
	switch descriptor >> 6 {
	case 0:
		if single {
			return int64(head[at])
		}
		return 0
	case 1:
		return int64(binary.LittleEndian.Uint16(head[at:])) + 256
	case 2:
		return int64(binary.LittleEndian.Uint32(head[at:]))
	}
	return int64(binary.LittleEndian.Uint64(head[at:]) & (1<<62 - 1))
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
