package program

import "encoding/binary"

// The parts of the ELF format that a static executable needs (elf(5)).
const (
	ehSize = 64
	phSize = 56
	// headers is how long all of them are: the code comes behind them.
	headers   = ehSize + 4*phSize
	codeStart = codeAddr + headers

	ptLoad     = 1
	ptGNUStack = 0x6474e551

	flagX, flagW, flagR = 1, 2, 4
)

type segment struct {
	kind, flags  uint32
	offset, addr uint64
	size         uint64
}

// link lays the segments out, each at a page of its own in the file.
func link(machine uint16, code, table, values []byte) []byte {
	tableOff := pages(headers + len(code))
	valuesOff := tableOff + pages(len(table))
	segments := []segment{
		{ptLoad, flagR | flagX, 0, codeAddr, uint64(headers + len(code))},
		{ptLoad, flagR, uint64(tableOff), tableAddr, uint64(len(table))},
		{ptLoad, flagR | flagW, uint64(valuesOff), valueAddr, uint64(len(values))},
		{ptGNUStack, flagR | flagW, 0, 0, 0},
	}
	out := make([]byte, 0, valuesOff+pages(len(values)))
	out = append(out, 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	le := binary.LittleEndian
	out = le.AppendUint16(out, 2) // ET_EXEC
	out = le.AppendUint16(out, machine)
	out = le.AppendUint32(out, 1)
	out = le.AppendUint64(out, codeStart+endingSize) // entry
	out = le.AppendUint64(out, ehSize)               // program headers
	out = le.AppendUint64(out, 0)                    // no section headers
	out = le.AppendUint32(out, 0)
	for _, n := range []uint16{ehSize, phSize, uint16(len(segments)), 0, 0, 0} {
		out = le.AppendUint16(out, n)
	}
	for _, s := range segments {
		out = le.AppendUint32(out, s.kind)
		out = le.AppendUint32(out, s.flags)
		for _, n := range []uint64{s.offset, s.addr, s.addr, s.size, s.size, pageSize} {
			out = le.AppendUint64(out, n)
		}
	}
	out = append(out, code...)
	out = append(out, make([]byte, tableOff-len(out))...)
	out = append(out, table...)
	out = append(out, make([]byte, valuesOff-len(out))...)
	return append(out, values...)
}

func pages(n int) int { return (n + pageSize - 1) &^ (pageSize - 1) }
