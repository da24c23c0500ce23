package inflate

import (
	"encoding/binary"
)

const (
	// room is what a turn of run may write: three bytes, or two and a match of 258, which is
	// copied by eight. ahead is what it may read: eight bytes, twice, of which seven go.
	room  = 2 + 258 + 8
	ahead = 16
)

// run unpacks as long as there is room on both sides, so that it need not be asked for.
// What it holds in variables stays in registers.
//
// One turn takes up to two literals and a match, or three literals. After a refill there
// are 56 bits at least: three codes have 45 at most, and two with a length 50; a distance
// has 28, after another refill.
func (d *decoder) run() outcome {
	src, dst, in, out, buf, count := d.src, d.dst, d.in, d.out, d.buf, d.count
	literals, distances := &d.literals, &d.distances
	result := more
	for in+ahead <= len(src) && out+room <= len(dst) {
		buf, in, count = filled(src, in, buf, count)
		e := literals[buf&literalMask]
		if e&literal != 0 {
			dst[out] = byte(e >> 16)
			out++
			buf, count = buf>>(e&63), count-uint(e&63)
			if e = literals[buf&literalMask]; e&literal != 0 {
				dst[out] = byte(e >> 16)
				out++
				buf, count = buf>>(e&63), count-uint(e&63)
				e = literals[buf&literalMask]
			}
		}
		if e&subtable != 0 {
			buf >>= literalBits
			count -= literalBits
			e = literals[e.value()+int(buf&e.mask())]
		}
		length := e.with(buf)
		buf, count = buf>>(e&63), count-uint(e&63)
		if e&literal != 0 {
			dst[out] = byte(e >> 16)
			out++
			continue
		}
		if e&exceptional != 0 {
			result = e.outcome()
			break
		}
		buf, in, count = filled(src, in, buf, count)
		if e = distances[buf&distanceMask]; e&subtable != 0 {
			buf >>= distanceBits
			count -= distanceBits
			e = distances[e.value()+int(buf&e.mask())]
		}
		distance := e.with(buf)
		buf, count = buf>>(e&63), count-uint(e&63)
		if e&exceptional != 0 || distance > out {
			result = damaged
			break
		}
		if to := dst[out : out+room-2]; length <= 16 && distance >= 8 { // as most are
			from := dst[out-distance:]
			binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(from))
			binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(from[8:]))
		} else {
			repeat(to, dst[out-distance:], distance, length)
		}
		out += length
	}
	d.in, d.out, d.buf, d.count = in, out, buf, count
	return result
}

// filled has 56 bits at least in buf, of eight bytes that are there; all above count are
// those of the next byte, and the same when they are read again.
func filled(src []byte, in int, buf uint64, count uint) (uint64, int, uint) {
	return buf | binary.LittleEndian.Uint64(src[in:])<<(count&63), in + int((63-count)>>3), count | 56
}

// repeat writes length bytes of those that begin a distance before, by eight, so up to
// seven more.
func repeat(to, from []byte, distance, length int) {
	switch {
	case distance >= 8:
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(from[i:]))
		}
	case distance == 1:
		eight := uint64(from[0]) * 0x0101010101010101
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], eight)
		}
	default: // what came before comes again and again, so it does at eight bytes and more, too
		again := (7 + distance) / distance * distance
		for i := range min(again, length) {
			to[i] = from[i]
		}
		for i := again; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(to[i-again:]))
		}
	}
}
