package rpmdb

// The file format of SQLite (sqlite.org/fileformat2.html), as far as a table is read
// from its beginning to its end. What another process has in a -wal file beside it is
// not seen: rpm empties that when it ends.

// Kinds of pages of a tree of rows.
const (
	pageInterior = 0x05
	pageLeaf     = 0x0d
	maxDepth     = 24
)

// table is a tree of rows.
type table struct {
	*file
	page   int64 // bytes of one
	usable int64 // without what is reserved at its end
	row    func(record []byte) bool
}

// sqlite finds the table "Packages" in the table of tables, which begins at page 1.
func (f *file) sqlite() error {
	head := f.at(0, 100)
	if head == nil {
		return corrupt("it is too short")
	}
	page := int64(be.Uint16(head[16:]))
	if page == 1 {
		page = 65536
	}
	usable := page - int64(head[20])
	if page < 512 || page&(page-1) != 0 || usable < 480 {
		return corrupt("its pages have an odd size")
	}
	root := int64(0)
	schema := table{f, page, usable, func(record []byte) bool {
		if c := columns(record); len(c) >= 4 && string(c[0].bytes) == "table" && string(c[1].bytes) == "Packages" {
			root = c[3].number()
		}
		return root == 0
	}}
	if !schema.walk(1, 0) && root == 0 {
		return corrupt("its table of tables is damaged")
	}
	if root == 0 {
		return corrupt("it has no table of packages")
	}
	packages := table{f, page, usable, func(record []byte) bool {
		if c := columns(record); len(c) >= 2 { // its number, and the header
			f.found(c[1].bytes)
		}
		return true
	}}
	if !packages.walk(root, 0) {
		return corrupt("its table of packages is damaged")
	}
	return nil
}

// walk visits the rows below a page, until one says no. False says that it ended
// before the last row.
func (t table) walk(number int64, depth int) bool {
	b := t.at((number-1)*t.page, t.page)
	if b == nil || depth > maxDepth {
		return false
	}
	b = b[:t.usable]
	start := 0
	if number == 1 {
		start = 100 // behind the head of the file
	}
	kind, cells := b[start], int(be.Uint16(b[start+3:]))
	pointers := start + 8
	if kind == pageInterior {
		pointers = start + 12
	}
	if kind != pageInterior && kind != pageLeaf || pointers+2*cells > len(b) {
		return false
	}
	whole := true
	for i := range cells {
		cell := b[min(len(b), int(be.Uint16(b[pointers+2*i:]))):]
		switch {
		case kind == pageInterior && len(cell) >= 4:
			if !t.walk(int64(be.Uint32(cell)), depth+1) {
				whole = false
			}
		case kind == pageLeaf:
			record := t.payload(cell)
			if record == nil {
				whole = false
			} else if !t.row(record) {
				return false
			}
		default:
			whole = false
		}
	}
	if kind == pageInterior {
		return t.walk(int64(be.Uint32(b[start+8:])), depth+1) && whole
	}
	return whole
}

// payload is the record of a cell; nil when it is damaged. What does not fit into the
// page goes on in others, in a chain.
func (t table) payload(cell []byte) []byte {
	length, n := varint(cell)
	_, m := varint(cell[n:]) // the number of the row
	if n == 0 || m == 0 || length > maxHeader {
		return nil
	}
	cell = cell[n+m:]
	size := int64(length)
	local := size
	if most := t.usable - 35; size > most {
		least := (t.usable-12)*32/255 - 23
		if local = least + (size-least)%(t.usable-4); local > most {
			local = least
		}
	}
	if local > int64(len(cell)) {
		return nil
	}
	record := append(make([]byte, 0, min(size, t.size)), cell[:local]...)
	if local == size {
		return record
	}
	if int64(len(cell)) < local+4 {
		return nil
	}
	for next := be.Uint32(cell[local:]); int64(len(record)) < size; {
		b := t.at((int64(next)-1)*t.page, t.page)
		if b == nil {
			return nil
		}
		next = be.Uint32(b)
		record = append(record, b[4:min(t.usable, 4+size-int64(len(record)))]...)
	}
	return record
}

// column is a value of a record.
type column struct {
	kind  uint64
	bytes []byte
}

// number is the value of an integer.
func (c column) number() (n int64) {
	switch {
	case c.kind == 9:
		return 1
	case c.kind == 0 || c.kind > 6:
		return 0
	}
	if len(c.bytes) > 0 && c.bytes[0] >= 0x80 {
		n = -1
	}
	for _, b := range c.bytes {
		n = n<<8 | int64(b)
	}
	return n
}

// columns are the values of a record: first what each is, then the bytes of each.
func columns(record []byte) (list []column) {
	length, n := varint(record)
	if n == 0 || length > uint64(len(record)) || length < uint64(n) {
		return nil
	}
	kinds, values := record[n:length], record[length:]
	for len(kinds) > 0 {
		kind, n := varint(kinds)
		if n == 0 {
			return nil
		}
		kinds = kinds[n:]
		size := widthOf(kind)
		if size > uint64(len(values)) {
			return nil
		}
		list = append(list, column{kind, values[:size]})
		values = values[size:]
	}
	return list
}

func widthOf(kind uint64) uint64 {
	switch {
	case kind < 10:
		return []uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}[kind]
	case kind < 12:
		return 0 // reserved
	}
	return (kind - 12) / 2
}

// varint is a number of one to nine bytes, the highest first; n is 0 where none is.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 8 {
		v = v<<7 | uint64(b[n]&0x7f)
		n++
		if b[n-1] < 0x80 {
			return v, n
		}
	}
	if n == 8 && len(b) > 8 {
		return v<<8 | uint64(b[8]), 9
	}
	return 0, 0
}
