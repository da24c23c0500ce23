package rpmdb

import "encoding/binary"

// ndb is rpm's own form (lib/backend/ndb/rpmpkg.c): pages of slots at the beginning of
// the file, of which each says at which block a package is. All numbers have the
// lowest byte first.
const (
	slotBytes  = 16
	slotsPage  = 4096
	blockBytes = 16
	slotMagic  = "Slot"
	blobMagic  = "BlbS"
	maxSlots   = 1 << 14 // pages: four million packages
)

func (f *file) ndb(head []byte) error {
	le := binary.LittleEndian
	pages := int64(le.Uint32(head[12:]))
	if le.Uint32(head[4:]) != 0 || pages == 0 || pages > maxSlots {
		return corrupt("its version is not known")
	}
	slots := f.at(0, pages*slotsPage)
	if slots == nil {
		return corrupt("its slots are cut off")
	}
	whole := true
	for i := 2 * slotBytes; i < len(slots); i += slotBytes { // the head takes the first two
		s := slots[i:]
		if string(s[:4]) != slotMagic {
			return corrupt("one of its slots is damaged")
		}
		number, at := le.Uint32(s[4:]), int64(le.Uint32(s[8:]))*blockBytes
		if number == 0 {
			continue // free
		}
		b := f.at(at, slotBytes)
		if b == nil || string(b[:4]) != blobMagic || le.Uint32(b[4:]) != number || le.Uint32(b[12:]) > maxHeader {
			whole = false
			continue
		}
		blob := f.at(at+slotBytes, int64(le.Uint32(b[12:])))
		if blob == nil {
			whole = false
			continue
		}
		f.found(blob)
	}
	if !whole {
		return corrupt("one of its packages is damaged")
	}
	return nil
}
