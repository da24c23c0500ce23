package inflate

import (
	"math/bits"
)

// An entry says what a code is: what begins with it is looked up by its first bits, and,
// of a longer code, by the rest in a table behind.
//
//	bits 0 to 7    how many bits of the stream it is, with those that follow the code
//	bits 8 to 11   how many of them are the code; of a subtable, how many bits it is looked up by
//	bits 12 to 15  what it is; none is a length or a distance
//	bits 16 to 31  the literal, or the least length or distance; of a subtable, where it is
type entry uint32

const (
	literal     entry = 1 << 15
	exceptional entry = 1 << 14 // one of those below, or no code at all
	subtable    entry = 1 << 13
	endOfBlock  entry = 1 << 12
)

func (e entry) is(what entry) bool { return e&what != 0 }
func (e entry) value() int         { return int(e >> 16) }
func (e entry) bits() uint         { return uint(e & 63) }

// mask is of the bits by which a subtable is looked up.
func (e entry) mask() uint64 { return 1<<(e>>8&15) - 1 }

// with is the length or distance with the bits that follow its code.
func (e entry) with(buf uint64) int {
	return int(e>>16) + int(buf&(1<<(e&63)-1)>>(e>>8&15))
}

// outcome is that of a block at a code which is neither a literal nor a length.
func (e entry) outcome() outcome {
	if e.is(endOfBlock) {
		return ended
	}
	return damaged
}

const (
	maxBits     = 15 // of a code
	maxLiterals = 288

	literalBits  = 11
	literalMask  = 1<<literalBits - 1
	distanceBits = 8
	distanceMask = 1<<distanceBits - 1

	// A subtable has two codes at least, as no code is left out.
	literalSize  = 1<<literalBits + maxLiterals/2<<(maxBits-literalBits)
	distanceSize = 1<<distanceBits + 32/2<<(maxBits-distanceBits)
)

// build makes the table of a code from the lengths of its words, looked up by first bits.
// It says false for lengths that are those of no code: too many words, or too few, but for
// none at all and for one of a single bit (as zlib and others take them).
func build(table []entry, first uint, lengths []uint8, meanings []entry) bool {
	var of [maxBits + 1]int // words by length
	for _, n := range lengths {
		of[n]++
	}
	words := len(lengths) - of[0]
	of[0] = 0
	left, longest := 1, uint(0)
	var next [maxBits + 2]uint // the next word of a length
	for n := uint(1); n <= maxBits; n++ {
		if left = left<<1 - of[n]; left < 0 {
			return false
		}
		next[n+1] = (next[n] + uint(of[n])) << 1
		if of[n] > 0 {
			longest = n
		}
	}
	if left > 0 {
		if words > 1 || words == 1 && of[1] == 0 {
			return false
		}
		for i := range table[:1<<first] {
			table[i] = exceptional
		}
	}
	end := 1 << first // of the subtables
	for i := range table[:end] {
		if longest > first {
			table[i] = 0 // none begun yet
		}
	}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		length := uint(n)
		word := uint(bits.Reverse16(uint16(next[length])) >> (16 - length))
		next[length]++
		into, in, below := table, first, uint(0)
		if length > first {
			at := word & (1<<first - 1)
			if table[at] == 0 {
				table[at] = exceptional | subtable | entry(end)<<16 | entry(longest-first)<<8
				end += 1 << (longest - first)
			}
			into, in, below = table[table[at].value():], longest-first, first
			word >>= first
		}
		e := meanings[symbol] + entry(length-below) + entry(length-below)<<8
		for ; word < 1<<in; word += 1 << (length - below) {
			into[word] = e
		}
	}
	return true
}
