package compress

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"sync"

	"cove/errdefs"
	"cove/layers/compress/codec"
)

// The levels of gzip.
const (
	fastestGzip = 1
	bestGzip    = 9
)

func newGzip(w io.Writer, opt Options) (*Writer, error) {
	level := opt.Level
	if level == 0 {
		level = defaultGzipLevel
	}
	if level < fastestGzip || level > bestGzip {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "compressing: gzip level %d is not between 1 and 9", level)
	}
	libs, err := codec.Linked()
	if err != nil {
		return nil, err
	}
	g := &gzipWriter{w: w, level: level, workers: opt.Workers, libs: libs}
	return &Writer{g, fmt.Sprintf("gzip;klauspost/compress;level=%d;members=%d", level, gzipBlock)}, nil
}

// gzipWriter compresses an input of at most one block by itself, as most layers are
// small, and a longer one as members, in parallel.
type gzipWriter struct {
	w       io.Writer
	level   int
	workers *Workers
	libs    *codec.Libraries
	block   []byte // what no member has yet: at most gzipBlock bytes
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

func (g *gzipWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(g.block) == gzipBlock {
			if err := g.submit(); err != nil {
				return n, err
			}
		}
		if g.block == nil {
			g.block = make([]byte, 0, min(gzipBlock, max(len(p), 64<<10)))
		}
		k := min(len(p), gzipBlock-len(g.block))
		g.block = append(g.block, p[:k]...)
		p, n = p[k:], n+k
	}
	return n, nil
}

// submit gives the block to a worker.
func (g *gzipWriter) submit() error {
	if g.many == nil {
		taken := g.workers.take(runtime.GOMAXPROCS(0))
		g.many = &packing{taken: taken, queue: make(chan chan packed, max(taken, 1)), ended: make(chan struct{})}
		go g.many.write(g.w)
	}
	if err := g.many.failed(); err != nil {
		return err
	}
	block, made := g.block, make(chan packed, 1)
	g.block = nil
	g.many.queue <- made // waits while as many as there are workers are on their way
	go func() { made <- packMember(g.libs, block, g.level) }()
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

// deflaters are used again, by level: each has some hundred kilobytes of tables.
var deflaters [bestGzip + 1]sync.Pool

// packMember makes a member of a block.
func packMember(libs *codec.Libraries, block []byte, level int) packed {
	out := appender(make([]byte, memberHeader, memberHeader+len(block)/2))
	zw, ok := deflaters[level].Get().(codec.Deflate)
	if !ok {
		var err error
		if zw, err = libs.Deflate(level); err != nil {
			return packed{err: fmt.Errorf("compressing: %w", err)}
		}
	}
	defer deflaters[level].Put(zw)
	zw.Reset(&out)
	if _, err := zw.Write(block); err != nil {
		return packed{err: err}
	}
	if err := zw.Close(); err != nil {
		return packed{err: err}
	}
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(block))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(block)))
	writeMemberHeader(out, len(out))
	return packed{bytes: out}
}

// appender is a slice that grows by Write.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(slices.Grow(*a, len(p)), p...)
	return len(p), nil
}

func (g *gzipWriter) Close() error {
	if g.many == nil {
		return g.alone()
	}
	if len(g.block) > 0 {
		_ = g.submit() // its failure is that of the packing
	}
	close(g.many.queue)
	<-g.many.ended
	g.workers.give(g.many.taken)
	g.many.taken = 0
	return g.many.failed()
}

// alone compresses a short input, as any gzip does.
func (g *gzipWriter) alone() error {
	zw, err := g.libs.Gzip(g.w, g.level)
	if err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if _, err := zw.Write(g.block); err != nil {
		return err
	}
	return zw.Close()
}
