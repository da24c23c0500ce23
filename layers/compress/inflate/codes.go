package inflate

import (
	"sync"
)

const (
	maxLengths   = 286 // of literals, the end of a block, and lengths (RFC 1951, 3.2.7)
	maxDistances = 30
	codeBits     = 7 // of a word of the code of lengths
)

// lengthOrder is the order in which the lengths of the code of lengths are written.
var lengthOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// meanings are what the symbols of the codes say; those that no stream may have are
// exceptional.
type meanings struct {
	literals  [maxLiterals]entry
	distances [32]entry
	lengths   [19]entry // of codes
}

var said = sync.OnceValue(func() *meanings {
	m := new(meanings)
	for i := range 256 {
		m.literals[i] = literal | entry(i)<<16
	}
	m.literals[256] = exceptional | endOfBlock
	fill(m.literals[257:], 3, 4, maxLengths-257)
	m.literals[285] = 258 << 16
	fill(m.distances[:], 1, 2, maxDistances)
	for i := range m.lengths {
		m.lengths[i] = literal | entry(i)<<16
	}
	return m
})

// fill gives symbols their least values and the bits that follow them: twice step symbols
// have none, and each step after them has one more.
func fill(symbols []entry, least, step, count int) {
	for i := range symbols {
		if i >= count {
			symbols[i] = exceptional
			continue
		}
		extra := max(0, i/step-1)
		symbols[i] = entry(least)<<16 | entry(extra)
		least += 1 << extra
	}
}

// fixed makes the tables of the codes that every reader knows.
func (d *decoder) fixed() bool {
	var lengths [maxLiterals + 32]uint8
	for i := range lengths {
		switch {
		case i >= maxLiterals:
			lengths[i] = 5
		case i < 144 || i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	return d.tables(lengths[:maxLiterals], lengths[maxLiterals:])
}

// dynamic reads the codes of a block.
func (d *decoder) dynamic() bool {
	header, ok := d.bits(14)
	literals, distances, codes := int(header&31)+257, int(header>>5&31)+1, int(header>>10)+4
	if !ok || literals > maxLengths || distances > maxDistances {
		return false
	}
	var of [19]uint8
	for _, symbol := range lengthOrder[:codes] {
		n, ok := d.bits(3)
		if !ok {
			return false
		}
		of[symbol] = uint8(n)
	}
	var words [1 << codeBits]entry
	var lengths [maxLengths + maxDistances]uint8
	all := lengths[:literals+distances]
	return build(words[:], codeBits, of[:], said().lengths[:]) && d.lengths(all, &words) &&
		d.tables(all[:literals], all[literals:])
}

// lengths reads the lengths of both codes, in which some are said to come again.
func (d *decoder) lengths(all []uint8, words *[1 << codeBits]entry) bool {
	for i := 0; i < len(all); {
		d.refill()
		e := words[d.buf&(1<<codeBits-1)]
		if e.is(exceptional) || d.count < e.bits() {
			return false
		}
		d.drop(e.bits())
		symbol, again, more := uint8(e.value()), 1, uint(0)
		switch e.value() {
		case 16:
			if i == 0 {
				return false
			}
			symbol, again, more = all[i-1], 3, 2
		case 17:
			symbol, again, more = 0, 3, 3
		case 18:
			symbol, again, more = 0, 11, 7
		}
		extra, ok := d.bits(more)
		if again += int(extra); !ok || again > len(all)-i {
			return false
		}
		for range again {
			all[i] = symbol
			i++
		}
	}
	return true
}

// tables makes those of a block.
func (d *decoder) tables(literals, distances []uint8) bool {
	m := said()
	return build(d.literals[:], literalBits, literals, m.literals[:]) &&
		build(d.distances[:], distanceBits, distances, m.distances[:])
}
