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

// members inflates a stream of members on several cores, and reads in their order. What
// follows the last member that says how long it is, is read as any other gzip stream.
type members struct {
	queue chan *member
	stop  chan struct{}
	ended chan struct{} // closed when the dispatcher has ended
	libs  *codec.Libraries

	at *member // being read
}

// member is one of them, or what follows them all.
type member struct {
	ready chan struct{} // closed when out and err are there
	out   []byte
	rest  io.Reader // in place of out
	err   error     // after out

	packed, unpacked []byte // buffers, used again
}

// spare are members that were read. Without them each member costs two buffers of a
// megabyte, and a collection of garbage, which all cores wait for, every few of them.
var spare = sync.Pool{New: func() any { return new(member) }}

func newMember() *member {
	next, ok := spare.Get().(*member)
	if !ok {
		next = new(member)
	}
	*next = member{ready: make(chan struct{}), packed: next.packed, unpacked: next.unpacked}
	return next
}

// sized is a buffer of n bytes, the one that is there if it is large enough.
func sized(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n, max(n, gzipBlock+gzipBlock/8))
	}
	return buf[:n]
}

// newMembers inflates up to ahead members at once.
func newMembers(br *bufio.Reader, ahead int, libs *codec.Libraries) *members {
	m := &members{queue: make(chan *member, ahead), stop: make(chan struct{}), ended: make(chan struct{}), libs: libs}
	go m.dispatch(br)
	return m
}

// dispatch takes the stream apart.
func (m *members) dispatch(br *bufio.Reader) {
	defer close(m.ended)
	defer close(m.queue)
	var inflating sync.WaitGroup
	defer inflating.Wait()
	for {
		next := newMember()
		head, err := br.Peek(memberHeader)
		n := memberSize(head)
		if n == 0 {
			next.rest, next.err = m.remainder(br, head, err)
			close(next.ready)
			m.send(next)
			return
		}
		next.packed = sized(next.packed, n)
		if _, err := io.ReadFull(br, next.packed); err != nil {
			next.err = err
			close(next.ready)
			m.send(next)
			return
		}
		if !m.send(next) {
			return
		}
		inflating.Go(func() {
			defer close(next.ready)
			next.err = next.inflate(m.libs)
		})
	}
}

// remainder is what no longer says how long its members are: the end, or a stream as
// others write it.
func (m *members) remainder(br *bufio.Reader, head []byte, err error) (io.Reader, error) {
	if len(head) == 0 && err != nil {
		return nil, err
	}
	zr := m.libs.Gunzip()
	return zr, zr.Reset(br)
}

// send queues a member, and waits while as many as may be are ahead.
func (m *members) send(next *member) bool {
	select {
	case m.queue <- next:
		return true
	case <-m.stop:
		return false
	}
}

// inflaters are used again: each has some ten kilobytes of tables.
var inflaters sync.Pool

// inflate unpacks a member, which is all of its packed bytes.
func (m *member) inflate(libs *codec.Libraries) error {
	size := binary.LittleEndian.Uint32(m.packed[len(m.packed)-4:])
	if size > maxMember {
		return errdefs.Errorf(errdefs.ErrCorrupt,
			"a member of %d bytes says that it unpacks to %d", len(m.packed), size)
	}
	zr, ok := inflaters.Get().(codec.Gunzip)
	if !ok {
		zr = libs.Gunzip()
	}
	defer inflaters.Put(zr)
	in := bytes.NewReader(m.packed)
	if err := zr.Reset(in); err != nil {
		return err
	}
	zr.Multistream(false)
	m.unpacked = sized(m.unpacked, int(size))
	if _, err := io.ReadFull(zr, m.unpacked); err != nil {
		return err
	}
	var more [1]byte
	switch n, err := zr.Read(more[:]); {
	case n > 0:
		return errdefs.Errorf(errdefs.ErrCorrupt, "a member unpacks to more than the %d bytes that it says", size)
	case !errors.Is(err, io.EOF):
		return err
	case in.Len() > 0:
		return errdefs.Errorf(errdefs.ErrCorrupt, "a member ends %d bytes before it says", in.Len())
	}
	m.out = m.unpacked
	return nil
}

// Read implements io.Reader.
func (m *members) Read(p []byte) (int, error) {
	for {
		if m.at == nil {
			next, ok := <-m.queue
			if !ok {
				return 0, io.EOF
			}
			<-next.ready
			m.at = next
		}
		switch {
		case len(m.at.out) > 0:
			n := copy(p, m.at.out)
			m.at.out = m.at.out[n:]
			return n, nil
		case m.at.err != nil:
			return 0, m.at.err
		case m.at.rest != nil:
			return m.at.rest.Read(p)
		}
		spare.Put(m.at)
		m.at = nil
	}
}

// close ends the work, and waits for it.
func (m *members) close() {
	close(m.stop)
	<-m.ended
}
