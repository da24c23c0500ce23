package compress

import (
	"bufio"
	"encoding/binary"

	"cove/errdefs"
)

// checkDictionary refuses an xz stream whose first block asks for a larger
// dictionary than limit; encoders use one size for all blocks. What it cannot
// parse is the decoder's to report. (xz file format 1.0.4, sections 3.1, 5.3.1.)
func checkDictionary(br *bufio.Reader, limit int64) error {
	const streamHeader, lzma2 = 12, 0x21
	head, _ := br.Peek(streamHeader + 2)
	if len(head) < streamHeader+2 || limit < 0 {
		return nil
	}
	size := (int(head[streamHeader]) + 1) * 4
	if head, _ = br.Peek(streamHeader + size); len(head) < streamHeader+size {
		return nil
	}
	block := head[streamHeader+2:]
	flags := head[streamHeader+1]
	number := func() uint64 {
		v, n := binary.Uvarint(block)
		block = block[max(n, 0):]
		return v
	}
	for _, sizeField := range []byte{0x40, 0x80} {
		if flags&sizeField != 0 {
			number()
		}
	}
	for range int(flags&3) + 1 {
		id, props := number(), number()
		if props == 0 || uint64(len(block)) < props {
			return nil
		}
		if bits := block[0]; id == lzma2 && bits <= 40 {
			if dict := int64(2|bits&1) << (bits/2 + 11); dict > limit {
				return errdefs.Errorf(errdefs.ErrExhausted,
					"decompressing xz: a dictionary of %d bytes is more than %d", dict, limit)
			}
		}
		block = block[props:]
	}
	return nil
}
