package compress

import (
	"io"
	"runtime"
	"sync"
)

// blockWriter compresses an input as members of so many bytes each, in parallel.
type blockWriter struct {
	w       io.Writer
	size    int
	workers *Workers
	pack    func(block, to []byte) packed // appends the member of a block
	alone   func(block []byte) error      // writes an input of at most one block
	block   []byte                        // what no member has yet: at most size bytes
	many    *packing
}

// packing is the work on the members of one stream.
type packing struct {
	taken int
	queue chan chan packed // members in their order
	ended chan struct{}    // closed when all are written

	mu  sync.Mutex
	err error // the first failure
}

type packed struct {
	bytes []byte
	err   error
}

func (b *blockWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(b.block) == b.size {
			if err := b.submit(); err != nil {
				return n, err
			}
		}
		if b.block == nil {
			b.block = b.buffer(len(p))
		}
		k := min(len(p), b.size-len(b.block))
		b.block = append(b.block, p[:k]...)
		p, n = p[k:], n+k
	}
	return n, nil
}

// submit gives the block to a worker.
func (b *blockWriter) submit() error {
	if b.many == nil {
		taken := b.workers.take(runtime.GOMAXPROCS(0))
		b.many = &packing{taken: taken, queue: make(chan chan packed, max(taken, 1)), ended: make(chan struct{})}
		go b.many.write(b.w)
	}
	if err := b.many.failed(); err != nil {
		return err
	}
	block, made := b.block, make(chan packed, 1)
	b.block = nil
	b.many.queue <- made // waits while as many as there are workers are on their way
	go func() {
		m := b.pack(block, spareMembers.get())
		spareBlocks.put(block)
		made <- m
	}()
	return nil
}

// buffer is for the next block, of which n bytes are known. The first of a stream
// grows, for most are short.
func (b *blockWriter) buffer(n int) []byte {
	if spare := spareBlocks.get(); cap(spare) >= b.size {
		return spare
	}
	if b.many != nil {
		n = b.size
	}
	return make([]byte, 0, min(b.size, max(n, 64<<10)))
}

// The buffers of blocks and of members are used again: a layer has as many as it has
// megabytes, and they would be nearly all that a build allocates.
var spareBlocks, spareMembers spares

type spares struct{ pool sync.Pool }

// get returns an empty slice with what room it has, maybe none.
func (s *spares) get() []byte {
	if b, ok := s.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (s *spares) put(b []byte) { s.pool.Put(&b) }

// write writes the members in their order.
func (p *packing) write(w io.Writer) {
	defer close(p.ended)
	for made := range p.queue {
		m := <-made
		if p.failed() != nil {
			continue
		}
		if m.err == nil {
			_, m.err = w.Write(m.bytes)
			spareMembers.put(m.bytes)
		}
		if m.err != nil {
			p.mu.Lock()
			p.err = m.err
			p.mu.Unlock()
		}
	}
}

func (p *packing) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (b *blockWriter) Close() error {
	if b.many == nil {
		return b.alone(b.block)
	}
	if len(b.block) > 0 {
		_ = b.submit() // its failure is that of the packing
	}
	close(b.many.queue)
	<-b.many.ended
	b.workers.give(b.many.taken)
	b.many.taken = 0
	return b.many.failed()
}
