package compress

import (
	"encoding/binary"
	"fmt"
	"io"
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

// newGzip compresses an input of at most one block by itself, as most layers are
// small, and a longer one as members, in parallel.
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
	g := &blockWriter{
		w: w, size: gzipBlock, workers: opt.Workers,
		pack:  func(block, to []byte) packed { return packMember(libs, block, to, level) },
		alone: func(block []byte) error { return packAlone(libs, w, block, level) },
	}
	return &Writer{g, fmt.Sprintf("gzip;klauspost/compress;level=%d;members=%d", level, gzipBlock)}, nil
}

// deflaters are used again, by level: each has some hundred kilobytes of tables.
var deflaters [bestGzip + 1]sync.Pool

// packMember makes a member of a block, in the empty slice to.
func packMember(libs *codec.Libraries, block, to []byte, level int) packed {
	out := appender(slices.Grow(to, memberHeader+len(block)/2)[:memberHeader])
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
	out = binary.LittleEndian.AppendUint32(out, libs.CRC32(block))
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

// packAlone compresses a short input, as any gzip does.
func packAlone(libs *codec.Libraries, w io.Writer, block []byte, level int) error {
	zw, err := libs.Gzip(w, level)
	if err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if _, err := zw.Write(block); err != nil {
		return err
	}
	return zw.Close()
}
