package rpmdb

import "encoding/binary"

// A hash of Berkeley DB: pages with keys and values by turns, and values that are
// longer than fit in chains of pages of their own. Numbers are in the order of bytes
// of the machine that made it. As every value that is a header counts, whatever its
// key, the pages are read as they come and nothing is looked up.
const (
	hashMagic   = 0x00061561
	hashMeta    = 8 // type of page 0
	hashPage    = 13
	hashPageOld = 2
	pageChain   = 7
	itemHere    = 1
	itemChain   = 3
	pageHead    = 26
)

// berkeley is the order of bytes of a hash of Berkeley DB; nil when it is none.
func (*file) berkeley(head []byte) binary.ByteOrder {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(head[12:]) == hashMagic && head[25] == hashMeta {
			return order
		}
	}
	return nil
}

func (f *file) hash(order binary.ByteOrder) error {
	head := f.at(0, 72)
	if head == nil {
		return corrupt("it is too short")
	}
	page := int64(order.Uint32(head[20:]))
	if page < 512 || page > 1<<16 || page&(page-1) != 0 {
		return corrupt("its pages have an odd size")
	}
	whole := true
	for number := int64(1); number <= int64(order.Uint32(head[32:])); number++ {
		b := f.at(number*page, page)
		if b == nil {
			return corrupt("it is cut off")
		}
		if b[25] != hashPage && b[25] != hashPageOld {
			continue
		}
		if !f.items(b, order) {
			whole = false
		}
	}
	if !whole {
		return corrupt("one of its pages is damaged")
	}
	return nil
}

// items reads the values of a page, each behind its key. They lie from its end down.
func (f *file) items(b []byte, order binary.ByteOrder) (whole bool) {
	count := int(order.Uint16(b[20:]))
	if pageHead+2*count > len(b) {
		return false
	}
	whole = true
	for i := 1; i < count; i += 2 {
		at, end := int(order.Uint16(b[pageHead+2*i:])), int(order.Uint16(b[pageHead+2*(i-1):]))
		if at >= end || end > len(b) || at < pageHead {
			whole = false
			continue
		}
		item := b[at:end]
		switch {
		case item[0] == itemHere:
			f.found(item[1:])
		case item[0] == itemChain && len(item) >= 12:
			blob := f.chain(order.Uint32(item[4:]), order.Uint32(item[8:]), order, int64(len(b)))
			if blob == nil {
				whole = false
				continue
			}
			f.found(blob)
		}
	}
	return whole
}

// chain is a value that has pages of its own; nil when it is damaged.
func (f *file) chain(number, length uint32, order binary.ByteOrder, page int64) []byte {
	if length > maxHeader {
		return nil
	}
	blob := make([]byte, 0, min(int64(length), f.size))
	for number != 0 && len(blob) < int(length) {
		b := f.at(int64(number)*page, page)
		if b == nil || b[25] != pageChain {
			return nil
		}
		n := int64(order.Uint16(b[22:]))
		if n == 0 || pageHead+n > page {
			return nil
		}
		blob = append(blob, b[pageHead:pageHead+n]...)
		number = order.Uint32(b[16:])
	}
	if len(blob) < int(length) {
		return nil
	}
	return blob[:length]
}
