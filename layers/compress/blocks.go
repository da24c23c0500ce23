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
	pack    func(block []byte) packed
	alone   func(block []byte) error // writes an input of at most one block
	block   []byte                   // what no member has yet: at most size bytes
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
			b.block = make([]byte, 0, min(b.size, max(len(p), 64<<10)))
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
	go func() { made <- b.pack(block) }()
	return nil
}

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
