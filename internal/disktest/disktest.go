// Package disktest has disks whose power can be cut, for tests of what must survive.
//
// A disk is a file of a FUSE file system in this process, behind a loop device, with
// ext4, xfs or btrfs on it. Writes go to a cache, as a real disk has one; a flush of
// the device, which is what fsync comes to, makes them last. When the power is cut
// the cache is lost: each page in it may have reached the disk or not, in any order,
// as the seed has it, and nothing is taken any more.
package disktest

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// pageSize is what a disk writes whole or not at all.
const pageSize = 4096

type page = [pageSize]byte

// Counts is what happened to a disk.
type Counts struct {
	Writes, Flushes int
	// Cuts of its power, and pages that were in its cache then: lost, or written
	// although nobody had asked for it.
	Cuts, Lost, Lucky int
}

// platters are what a disk holds. They are safe for concurrent use.
type platters struct {
	size int64

	mu     sync.Mutex
	kept   map[int64]*page // by number: these survive
	cached map[int64]*page // these may
	dead   bool            // there is no power
	counts Counts
}

func newPlatters(size int64) *platters {
	return &platters{size: size, kept: map[int64]*page{}, cached: map[int64]*page{}}
}

// read fills b with what was written last.
func (p *platters) read(b []byte, off int64) (int, syscall.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return 0, syscall.EIO
	}
	b = b[:max(0, min(int64(len(b)), p.size-off))]
	for rest := b; len(rest) > 0; {
		number, at := off/pageSize, off%pageSize
		n := min(len(rest), int(pageSize-at))
		if from := p.page(number); from != nil {
			copy(rest[:n], from[at:])
		} else {
			clear(rest[:n])
		}
		rest, off = rest[n:], off+int64(n)
	}
	return len(b), 0
}

func (p *platters) page(number int64) *page {
	if c := p.cached[number]; c != nil {
		return c
	}
	return p.kept[number]
}

// write puts b into the cache.
func (p *platters) write(b []byte, off int64) (int, syscall.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.dead:
		return 0, syscall.EIO
	case off+int64(len(b)) > p.size:
		return 0, syscall.ENOSPC
	}
	p.counts.Writes++
	written := len(b)
	for len(b) > 0 {
		number, at := off/pageSize, off%pageSize
		to := p.cached[number]
		if to == nil {
			to = new(page)
			if old := p.kept[number]; old != nil {
				*to = *old
			}
			p.cached[number] = to
		}
		n := copy(to[at:], b)
		b, off = b[n:], off+int64(n)
	}
	return written, 0
}

// flush makes everything that was written last.
func (p *platters) flush() syscall.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return syscall.EIO
	}
	p.counts.Flushes++
	for number, b := range p.cached {
		p.kept[number] = b
	}
	clear(p.cached)
	return 0
}

// cut is the end of the power; luck is how likely a page of the cache had been
// written by then, from 0 to 1.
func (p *platters) cut(rng *rand.Rand, luck float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	p.counts.Cuts++
	numbers := make([]int64, 0, len(p.cached))
	for number := range p.cached {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers) // that a seed says what happens
	for _, number := range numbers {
		if rng.Float64() < luck {
			p.kept[number] = p.cached[number]
			p.counts.Lucky++
		} else {
			p.counts.Lost++
		}
	}
	clear(p.cached)
}

// on gives it power again.
func (p *platters) on() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = false
}

// file shows platters as a file of FUSE.
type file struct {
	fs.Inode
	*platters
}

var (
	_ fs.NodeGetattrer = (*file)(nil)
	_ fs.NodeSetattrer = (*file)(nil)
	_ fs.NodeOpener    = (*file)(nil)
	_ fs.NodeReader    = (*file)(nil)
	_ fs.NodeWriter    = (*file)(nil)
	_ fs.NodeFsyncer   = (*file)(nil)
)

// Getattr implements fs.NodeGetattrer.
func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Blksize = syscall.S_IFREG|0o600, uint64(f.size), pageSize
	return 0
}

// Setattr implements fs.NodeSetattrer: a disk keeps its size.
func (f *file) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok && int64(size) != f.size {
		return syscall.EPERM
	}
	return f.Getattr(ctx, h, out)
}

// Open implements fs.NodeOpener.
func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) { return nil, 0, 0 }

// Read implements fs.NodeReader.
func (f *file) Read(_ context.Context, _ fs.FileHandle, b []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, errno := f.read(b, off)
	return fuse.ReadResultData(b[:n]), errno
}

// Write implements fs.NodeWriter.
func (f *file) Write(_ context.Context, _ fs.FileHandle, b []byte, off int64) (uint32, syscall.Errno) {
	n, errno := f.write(b, off)
	return uint32(n), errno
}

// Fsync implements fs.NodeFsyncer.
func (f *file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return f.flush() }
