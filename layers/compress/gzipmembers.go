package compress

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"cove/errdefs"
	"cove/layers/compress/codec"
	"cove/layers/compress/inflate"
)

// A long gzip layer is written as members that are compressed each for itself, and each
// says in its header how long it is: RFC 1952, 2.3.1.1, an extra field with the ids 'C'
// and 'V' and the length of the member in 4 bytes, least first. Any gzip reader unpacks
// such a stream one member after the other; who knows the field finds the next member
// without inflating this one, and unpacks on every core.
//
// The field is a hint that is held against the stream: a member must end exactly where
// it says that it does, so that what comes out is what every other reader makes of it.
const (
	memberHeader = 20      // bytes before the deflated data
	maxMember    = 8 << 20 // bytes of a member, packed and unpacked; a longer one is read as others are
)

// writeMemberHeader begins a member of size bytes.
func writeMemberHeader(h []byte, size int) {
	copy(h, "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x08\x00CV\x04\x00")
	binary.LittleEndian.PutUint32(h[16:], uint32(size))
}

// memberSize is how long the member that begins with head says it is: 0 for any other,
// and for one whose length makes no sense.
func memberSize(head []byte) int {
	if len(head) < memberHeader || string(head[:4]) != "\x1f\x8b\x08\x04" ||
		string(head[10:16]) != "\x08\x00CV\x04\x00" {
		return 0
	}
	n := binary.LittleEndian.Uint32(head[16:])
	if n <= memberHeader+8 || n > maxMember {
		return 0
	}
	return int(n)
}

// gzipMembers are members that say how long they are.
type gzipMembers struct{ libs *codec.Libraries }

func (g gzipMembers) cut(br *bufio.Reader, next *member) error {
	head, err := br.Peek(memberHeader)
	if len(head) == 0 && err != nil {
		return err
	}
	n := memberSize(head)
	if n == 0 {
		return errNoMember
	}
	next.packed = sized(next.packed, n)
	_, err = io.ReadFull(br, next.packed)
	return err
}

func (g gzipMembers) remainder(r io.Reader) (io.ReadCloser, error) {
	zr := g.libs.Gunzip()
	return io.NopCloser(zr), zr.Reset(r)
}

// inflaters are used again: each has some ten kilobytes of tables.
var inflaters sync.Pool

// inflate unpacks a member, which is all of its packed bytes.
func (g gzipMembers) inflate(m *member) error {
	size := binary.LittleEndian.Uint32(m.packed[len(m.packed)-4:])
	if size > maxMember {
		return errdefs.Errorf(errdefs.ErrCorrupt,
			"a member of %d bytes says that it unpacks to %d", len(m.packed), size)
	}
	m.unpacked = sized(m.unpacked, int(size))
	body, trailer := m.packed[memberHeader:len(m.packed)-8], m.packed[len(m.packed)-8:]
	if n, ok := inflate.Into(m.unpacked, body); ok && n == len(body) &&
		g.libs.CRC32(m.unpacked) == binary.LittleEndian.Uint32(trailer) {
		m.out = m.unpacked
		return nil
	}
	return g.read(m)
}

// read unpacks a member as any other stream, and so says what is wrong with one that is
// damaged.
func (g gzipMembers) read(m *member) error {
	zr, ok := inflaters.Get().(codec.Gunzip)
	if !ok {
		zr = g.libs.Gunzip()
	}
	defer inflaters.Put(zr)
	in := bytes.NewReader(m.packed)
	if err := zr.Reset(in); err != nil {
		return err
	}
	zr.Multistream(false)
	if _, err := io.ReadFull(zr, m.unpacked); err != nil {
		return err
	}
	var more [1]byte
	switch n, err := zr.Read(more[:]); {
	case n > 0:
		return errdefs.Errorf(errdefs.ErrCorrupt,
			"a member unpacks to more than the %d bytes that it says", len(m.unpacked))
	case !errors.Is(err, io.EOF):
		return err
	case in.Len() > 0:
		return errdefs.Errorf(errdefs.ErrCorrupt, "a member ends %d bytes before it says", in.Len())
	}
	m.out = m.unpacked
	return nil
}
