package compress

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

// members unpacks a stream of members on several cores, and reads in their order. What
// follows the last member whose end can be told is read as any other stream.
type members struct {
	format format
	queue  chan *member
	stop   chan struct{}
	ended  chan struct{} // closed when the dispatcher has ended
	rest   io.Closer     // of what follows the members, once ended

	at *member // being read
}

// format is how members are told apart and unpacked.
type format interface {
	// cut reads a member into next.packed. It says errNoMember where the stream goes on
	// as others write it, and the reader's own error, io.EOF at the end.
	cut(br *bufio.Reader, next *member) error
	// inflate makes next.out of next.packed.
	inflate(next *member) error
	// remainder reads what no longer says how long its members are.
	remainder(r io.Reader) (io.ReadCloser, error)
}

// errNoMember is said where no member begins. What cut has read by then is in packed.
var errNoMember = errors.New("no member")

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
	*next = member{ready: make(chan struct{}), packed: next.packed[:0], unpacked: next.unpacked}
	return next
}

// sized is a buffer of n bytes, the one that is there if it is large enough.
func sized(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n, max(n, gzipBlock+gzipBlock/8))
	}
	return buf[:n]
}

// newMembers unpacks up to ahead members at once.
func newMembers(br *bufio.Reader, ahead int, f format) *members {
	m := &members{format: f, queue: make(chan *member, ahead), stop: make(chan struct{}), ended: make(chan struct{})}
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
		switch err := m.format.cut(br, next); {
		case errors.Is(err, errNoMember):
			var rest io.ReadCloser
			if rest, next.err = m.format.remainder(io.MultiReader(bytes.NewReader(next.packed), br)); rest != nil {
				m.rest, next.rest = rest, rest
			}
		case err != nil:
			next.err = err
		default:
			if !m.send(next) {
				return
			}
			inflating.Go(func() {
				defer close(next.ready)
				next.err = m.format.inflate(next)
			})
			continue
		}
		close(next.ready)
		m.send(next)
		return
	}
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
	if m.rest != nil {
		_ = m.rest.Close()
	}
}
