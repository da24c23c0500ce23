// Package inventory reads a layer, from its blob and in one pass, for what it says of
// packages. A stranger has made the layer: whatever he sizes is bounded, and who
// meets a bound is told what was not read.
package inventory

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"cove/content"
	"cove/errdefs"
	"cove/inventory/evidence"
	"cove/inventory/packages"
	"cove/layers/compress"
	_ "cove/layers/compress/codec/linked"
	"cove/layers/whiteout"
)

// The bounds of one layer.
const (
	maxBytes    = 64 << 30 // decompressed
	maxTime     = 15 * time.Minute
	maxEntries  = 2_000_000
	maxName     = 4096
	maxWindow   = 64 << 20 // of a decompressor
	maxFiles    = 100_000  // that say something
	maxRemoved  = 200_000
	maxPlain    = 500_000
	maxPackages = 200_000
	// maxMemory is the largest file that is read into memory; others go through a
	// temporary file.
	maxMemory = 8 << 20
)

var limits = compress.Limits{Bytes: maxBytes, Ratio: 500, RatioAfter: 256 << 20, Window: maxWindow}

// Read reads a layer, which may be compressed in any way. Spool is a folder for a
// temporary file, "" is the system's. What is no tar is errdefs.ErrCorrupt.
func Read(ctx context.Context, blob content.Reader, spool string) (packages.Layer, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	w := &walk{spool: spool}
	defer w.close()
	unpacked, err := compress.NewReader(ctx, content.NewReader(blob), limits)
	if err == nil {
		defer unpacked.Close()
		err = w.all(ctx, tar.NewReader(unpacked))
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		w.cut("it took longer than %v to read", maxTime)
	case ctx.Err() != nil:
		return packages.Layer{}, ctx.Err()
	case errors.Is(err, errdefs.ErrExhausted):
		w.cut("it unpacks to too much")
	case err != nil && errdefs.KindOf(err) == nil:
		return packages.Layer{}, errdefs.Errorf(errdefs.ErrCorrupt, "no tar that can be read: %w", err)
	case err != nil:
		return packages.Layer{}, err
	}
	slices.Sort(w.layer.Plain)
	w.layer.Plain = slices.Compact(w.layer.Plain)
	return w.layer, nil
}

// walk is the reading of one layer.
type walk struct {
	layer    packages.Layer
	spool    string
	file     *os.File // temporary; nil before the first large file
	packages int
}

func (w *walk) cut(why string, args ...any) {
	if w.layer.Partial == "" {
		w.layer.Partial = fmt.Sprintf(why, args...)
	}
}

func (w *walk) close() {
	if w.file != nil {
		_ = w.file.Close() // it has no name any more
	}
}

func (w *walk) all(ctx context.Context, tr *tar.Reader) error {
	for range maxEntries {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = w.entry(h, tr)
		}
		if err != nil {
			return err
		}
	}
	w.cut("it has more than %d entries", maxEntries)
	return nil
}

func (w *walk) entry(h *tar.Header, body io.Reader) error {
	if len(h.Name) > maxName || strings.ContainsRune(h.Name, 0) {
		w.cut("the name of an entry is too long")
		return nil
	}
	name := packages.Clean(h.Name)
	if name == "" || w.whiteout(name) {
		return nil
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return nil
	case tar.TypeReg:
	default: // it says nothing, and takes the place of what did
		if evidence.ByName(name) != nil {
			w.add(packages.File{Path: name})
		}
		return nil
	}
	read := evidence.ByName(name)
	buffered := bufio.NewReader(body)
	if read == nil {
		head, err := buffered.Peek(evidence.HeadBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if read = evidence.ByHead(head); read == nil {
			if h.Mode&0o111 != 0 {
				w.plain(name)
			}
			return nil
		}
	}
	if h.Size > evidence.MaxFile {
		w.cut("file %q is larger than %d bytes", name, evidence.MaxFile)
		w.plain(name)
		return nil
	}
	at, err := w.hold(buffered, h.Size)
	if err != nil {
		return err
	}
	f := read(name, evidence.Body{ReaderAt: at, Size: h.Size})
	if len(f.Packages) == 0 && evidence.ByName(name) == nil {
		w.plain(name) // one program of many that say nothing
		return nil
	}
	w.add(f)
	return nil
}

// whiteout notes what an entry takes away; true says that it is none but that.
func (w *walk) whiteout(name string) bool {
	dir, base := path.Split(name)
	hidden, opaque, meta, err := whiteout.Parse(base)
	if err != nil || hidden == "" && !opaque && !meta {
		return false
	}
	if len(w.layer.Removed)+len(w.layer.Opaque) >= maxRemoved {
		w.cut("it removes more than %d files", maxRemoved)
		return true
	}
	switch {
	case opaque:
		w.layer.Opaque = append(w.layer.Opaque, strings.TrimSuffix(dir, "/"))
	case hidden != "":
		w.layer.Removed = append(w.layer.Removed, path.Join(dir, hidden))
	}
	return true
}

func (w *walk) plain(name string) {
	if len(w.layer.Plain) >= maxPlain {
		w.cut("it has more than %d programs", maxPlain)
		return
	}
	w.layer.Plain = append(w.layer.Plain, packages.Hash(name))
}

func (w *walk) add(f packages.File) {
	if w.packages += len(f.Packages); w.packages > maxPackages || len(w.layer.Files) >= maxFiles {
		w.cut("it has more than %d packages", maxPackages)
		return
	}
	w.layer.Files = append(w.layer.Files, f)
}

// hold has the content of a file at hand, until the next one.
func (w *walk) hold(r io.Reader, size int64) (io.ReaderAt, error) {
	if size <= maxMemory {
		text, err := io.ReadAll(r)
		return bytes.NewReader(text), err
	}
	if w.file == nil {
		file, err := os.CreateTemp(w.spool, "scan-*")
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrUnavailable, "a large file of a layer: %w", err)
		}
		if w.file = file; os.Remove(file.Name()) != nil {
			return nil, errdefs.Errorf(errdefs.ErrUnavailable, "temporary file %s cannot be removed", file.Name())
		}
	}
	if err := w.file.Truncate(0); err != nil {
		return nil, err
	}
	_, err := io.Copy(spooled{io.NewOffsetWriter(w.file, 0)}, r)
	return w.file, err
}

// spooled tells a failure of the disk from one of the layer.
type spooled struct{ io.Writer }

func (s spooled) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil {
		err = errdefs.Errorf(errdefs.ErrUnavailable, "a large file of a layer: %w", err)
	}
	return n, err
}
