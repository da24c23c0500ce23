package images

import (
	"context"
	"encoding/binary"

	"cove/content"
	"cove/layers"
)

// Size is how many bytes an image's layers have unpacked, as their compressed
// streams say themselves: nothing is unpacked to find out.
func (s *Store) Size(ctx context.Context, img Image) int64 {
	var n int64
	for _, l := range img.Layers {
		n += s.layerSize(ctx, l)
	}
	return n
}

func (s *Store) layerSize(ctx context.Context, l layers.Layer) int64 {
	r, err := s.cfg.Content.Open(ctx, l.Blob)
	if err != nil {
		return l.Blob.Size
	}
	defer r.Close()
	return max(declaredSize(r), l.Blob.Size)
}

// declaredSize reads the trailer of a gzip stream (RFC 1952: the length modulo
// 2^32 is its last four bytes) or the header of a zstd frame (RFC 8878, 3.1.1).
// It is 0 where there is none.
func declaredSize(r content.Reader) int64 {
	var head [18]byte
	n, _ := r.ReadAt(head[:], 0)
	switch {
	case n == len(head) && head[0] == 0x1f && head[1] == 0x8b:
		var tail [4]byte
		if _, err := r.ReadAt(tail[:], r.Size()-4); err != nil {
			return 0
		}
		return int64(binary.LittleEndian.Uint32(tail[:]))
	case n == len(head) && binary.LittleEndian.Uint32(head[:]) == 0xfd2fb528:
		return zstdSize(head)
	}
	return 0
}

func zstdSize(head [18]byte) int64 {
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
