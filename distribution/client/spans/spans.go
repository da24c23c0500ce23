// Package spans reads a long body as spans that are fetched at once, over several
// connections, and handed on in their order.
//
// One connection brings no more than its window for each round trip, and no more than
// what many servers give to one. How much is fetched ahead is bounded by the slots that
// all readers of a client share; a reader without a slot fetches one span after another.
package spans

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"cove/errdefs"
)

// Size is how long a span is, and so what a slot holds in memory.
const Size = 8 << 20

// AtLeast is how much must be left of a body for spans to be worth their requests.
const AtLeast = 4 * Size

// ahead is how many spans one reader fetches beside the one that is read.
const ahead = 3

// Slots bound the spans that are fetched, or wait to be read, beside the one of each
// reader that is being read.
type Slots chan struct{}

// NewSlots returns n slots.
func NewSlots(n int) Slots { return make(Slots, n) }

func (s Slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// Open opens the bytes from one offset to, and without, another. Its body ends there.
type Open func(ctx context.Context, from, until int64) (io.ReadCloser, error)

// Config says what is read.
type Config struct {
	// From is where the first span begins, End where the last ends.
	From, End int64
	Open      Open
	Slots     Slots
	// Read, if set, hears up to where the body was read.
	Read func(offset int64)
}

// Reader reads a body. It is not safe for concurrent use.
type Reader struct {
	cfg Config

	ctx    context.Context //nolint:containedctx // it is the context of the reading, which ends with Close
	cancel context.CancelFunc
	next   int64 // where the first span begins that nobody fetches yet
	queue  []*span
	at     int // how much of the first span was read
	err    error
}

// span is a part on its way.
type span struct {
	slot bool
	done chan struct{} // closed when its goroutine has ended

	mu      sync.Mutex
	changed *sync.Cond
	buf     []byte // what arrived, with the capacity for all
	ended   bool
	err     error
}

// NewReader reads on from the body of the first span, which is open already, to the end.
// Close it.
func NewReader(ctx context.Context, first io.ReadCloser, cfg Config) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &Reader{cfg: cfg, ctx: ctx, cancel: cancel, next: cfg.From}
	r.start(false, func(context.Context, int64, int64) (io.ReadCloser, error) { return first, nil })
	r.fetchAhead()
	return r
}

// start fetches the next span.
func (r *Reader) start(slot bool, open Open) {
	from := r.next
	r.next = min(r.cfg.End, from+Size)
	s := &span{slot: slot, done: make(chan struct{}), buf: make([]byte, 0, r.next-from)}
	s.changed = sync.NewCond(&s.mu)
	r.queue = append(r.queue, s)
	until := r.next
	go func() {
		defer close(s.done)
		s.fetch(r.ctx, open, from, until)
	}()
}

// fetchAhead starts what may be fetched beside the first.
func (r *Reader) fetchAhead() {
	for r.next < r.cfg.End && len(r.queue) <= ahead && r.cfg.Slots.take() {
		r.start(true, r.cfg.Open)
	}
}

func (s *span) fetch(ctx context.Context, open Open, from, until int64) {
	body, err := open(ctx, from, until)
	for err == nil {
		have := len(s.buf) // nobody else writes
		if have == cap(s.buf) {
			break
		}
		var n int
		n, err = body.Read(s.buf[have:min(cap(s.buf), have+256<<10)])
		s.mu.Lock()
		s.buf = s.buf[:have+n]
		s.changed.Broadcast()
		s.mu.Unlock()
	}
	if body != nil {
		if cerr := body.Close(); err == nil {
			err = cerr
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, io.EOF) {
		err = nil
		if len(s.buf) < cap(s.buf) {
			err = errdefs.Errorf(errdefs.ErrUnavailable, "bytes %d to %d end after %d: %w", from, until-1, len(s.buf),
				io.ErrUnexpectedEOF)
		}
	}
	s.ended, s.err = true, err
	s.changed.Broadcast()
}

// wait returns what arrived beyond at, or why nothing more does.
func (s *span) wait(at int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) == at && !s.ended {
		s.changed.Wait()
	}
	if len(s.buf) > at {
		return s.buf[at:], nil
	}
	return nil, s.err
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for r.err == nil && len(p) > 0 {
		if len(r.queue) == 0 {
			if r.next == r.cfg.End {
				r.err = io.EOF
				break
			}
			r.start(false, r.cfg.Open)
			r.fetchAhead()
		}
		first := r.queue[0]
		arrived, err := first.wait(r.at)
		if err != nil {
			r.err = err
			break
		}
		if len(arrived) > 0 {
			n := copy(p, arrived)
			r.at += n
			if r.cfg.From += int64(n); r.cfg.Read != nil {
				r.cfg.Read(r.cfg.From)
			}
			return n, nil
		}
		r.queue, r.at = r.queue[1:], 0
		r.release(first)
		if len(r.queue) > 0 {
			r.fetchAhead()
		}
	}
	return 0, r.err
}

func (r *Reader) release(s *span) {
	if s.slot {
		<-r.cfg.Slots
	}
}

// Close ends what is being fetched, and waits for it.
func (r *Reader) Close() error {
	r.cancel()
	for _, s := range r.queue {
		<-s.done
		r.release(s)
	}
	r.queue, r.next = nil, r.cfg.End
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	return nil
}

// ContentRange reads "bytes START-END/TOTAL"; -1 is what is not known.
func ContentRange(v string) (start, total int64) {
	span, of, _ := strings.Cut(strings.TrimPrefix(v, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		start = -1
	}
	if total, err = strconv.ParseInt(of, 10, 64); err != nil {
		total = -1
	}
	return start, total
}

const copySize = 256 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// Copy copies a body by buffers that are used again.
func Copy(w io.Writer, body io.Reader) error {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	_, err := io.CopyBuffer(writerOnly{w}, body, buf[:])
	return err
}

// writerOnly hides a ReadFrom that would bring its own buffer.
type writerOnly struct{ io.Writer }
