package fsstore

import (
	"context"
	"crypto/sha512"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/content/fsstore/folders"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
)

const (
	copySize = 1 << 20 // buffer of a ReadFrom
	// flushEvery starts writing back early, so that the fsync of a commit
	// finds little left to do.
	flushEvery = 8 << 20
	// checkpointEvery bounds what a power cut or a kill takes from a write.
	checkpointEvery = 64 << 20
)

// writer is a content.Writer over one locked file in ingest.
type writer struct {
	s       *Store
	id, key string
	f       *os.File
	hash    hash.Hash // sha256 of [0, offset)
	offset  int64
	flushed int64 // write-back was started up to here
	state   state // as on disk, if hasState
	// hasState says that a state file exists.
	hasState bool
	// broken is why nothing written can be trusted any more.
	broken error
	done   bool
}

// state is what ingest/<key>.state holds. A durable mark's bytes were fsynced
// before it was written. A latest mark's bytes may be in the page cache only:
// it counts as long as the machine has not booted since.
type state struct {
	Durable mark   `json:"durable"`
	Latest  mark   `json:"latest"`
	Boot    string `json:"boot"`
}

type mark struct {
	Offset int64  `json:"offset"`
	Hash   []byte `json:"hash"` // sha256, encoding.BinaryMarshaler
}

// resume goes to the best mark that the file still covers and drops what lies
// behind it. Anything unreadable means starting from zero.
func (w *writer) resume() error {
	fi, err := w.f.Stat()
	if err != nil {
		return err
	}
	dir, err := w.s.folders.Open(ingest)
	if err != nil {
		return err
	}
	b, err := dir.ReadFile(w.key + stateSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		w.hasState = true
		w.goTo(b, fi.Size())
	}
	if w.offset == 0 && w.hasState {
		// A state that outlived its bytes would lend their hash to the next.
		if err := w.s.root.Remove("ingest/" + w.key + stateSuffix); err != nil {
			return err
		}
		w.state, w.hasState = state{}, false
	}
	w.flushed = w.offset
	if fi.Size() == w.offset && w.offset == 0 {
		return nil
	}
	if err := w.f.Truncate(w.offset); err != nil {
		return err
	}
	_, err = w.f.Seek(w.offset, io.SeekStart)
	return err
}

// goTo restores the best mark of a saved state, of those that the file's size
// covers.
func (w *writer) goTo(saved []byte, size int64) {
	if json.Unmarshal(saved, &w.state) != nil {
		return
	}
	best := w.state.Durable
	if w.state.Boot == w.s.boot && w.s.boot != "" {
		best = w.state.Latest
	}
	if best.Offset > 0 && best.Offset <= size && w.restore(best.Hash) == nil {
		w.offset = best.Offset
	}
}

func (w *writer) restore(saved []byte) error {
	err := w.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(saved)
	if err != nil {
		w.hash.Reset()
	}
	return err
}

func (w *writer) Offset() int64 { return w.offset }

func (w *writer) Digest() digest.Digest { return digest.NewDigest(digest.SHA256, w.hash) }

// ReadAt implements content.ReadableWriter.
func (w *writer) ReadAt(p []byte, off int64) (int, error) { return w.f.ReadAt(p, off) }

func (w *writer) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	err := w.s.fault(StepWrite)
	n := 0
	if err == nil {
		n, err = w.f.Write(p)
	}
	// Only what the kernel took is hashed: after a full disk the write can go
	// on where it stopped.
	w.hash.Write(p[:n])
	w.offset += int64(n)
	if err != nil {
		return n, w.failed(err)
	}
	if w.offset-w.flushed >= flushEvery {
		// Advice only; the fsync later is what counts.
		_ = unix.SyncFileRange(int(w.f.Fd()), w.flushed, w.offset-w.flushed, unix.SYNC_FILE_RANGE_WRITE)
		w.flushed = w.offset
	}
	if w.offset-w.state.Durable.Offset >= w.s.checkpoint {
		if err := w.save(true); err != nil {
			return n, w.failed(err)
		}
	}
	return n, nil
}

// ReadFrom lets io.Copy use one large buffer.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	buf := w.s.buffers.Get().(*[]byte)
	defer w.s.buffers.Put(buf)
	var total int64
	for {
		n, err := r.Read(*buf)
		if n > 0 {
			m, err := w.Write((*buf)[:n])
			total += int64(m)
			if err != nil {
				return total, err
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

func (w *writer) usable() error {
	switch {
	case w.broken != nil:
		return w.broken
	case w.done:
		return errdefs.Errorf(errdefs.ErrConflict, "write %q: is closed", w.id)
	}
	return nil
}

func (w *writer) failed(err error) error { return diskError(fmt.Sprintf("write %q", w.id), err) }

// sync makes the bytes durable. After a failure the kernel calls the lost pages
// clean and the next fsync succeeds, so nothing may be built on them.
func (w *writer) sync(step Step) error {
	err := w.s.fault(step)
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		w.broken = w.failed(err)
		return w.broken
	}
	return nil
}

// save records how far the write is; durable means to survive a power cut.
func (w *writer) save(durable bool) error {
	saved, err := w.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	next := state{Durable: w.state.Durable, Latest: mark{w.offset, saved}, Boot: w.s.boot}
	if durable {
		if err := w.sync(StepStateSync); err != nil {
			return err
		}
		next.Durable = next.Latest
	}
	if err := w.writeState(next, durable); err != nil {
		return err
	}
	w.state, w.hasState = next, true
	return nil
}

func (w *writer) writeState(next state, durable bool) error {
	if err := w.s.fault(StepStateWrite); err != nil {
		return err
	}
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	keep := atomicfile.Volatile
	if durable {
		keep = atomicfile.Synced // a power cut may still lose the name: then the write begins anew
	}
	return atomicfile.Write(stateDir{w.s}, "ingest/"+w.key+stateSuffix, b, 0o644, keep)
}

// stateDir is the root as the states of writes are replaced in it.
type stateDir struct{ s *Store }

func (d stateDir) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return d.s.root.OpenFile(name, flag, perm)
}

func (d stateDir) Rename(from, to string) error {
	if err := d.s.fault(StepStateRename); err != nil {
		return err
	}
	return d.s.root.Rename(from, to)
}

func (d stateDir) Remove(name string) error { return d.s.root.Remove(name) }

// Close keeps the write for a later Begin. A state that cannot be saved (the
// disk is full) costs the bytes since the last one that could.
func (w *writer) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	var err error
	switch {
	case w.broken != nil:
		err = w.s.forget(w.key)
	case w.offset > 0 && w.offset != w.state.Latest.Offset:
		err = w.save(false)
	}
	if err = errors.Join(err, filelock.Release(w.f)); err != nil {
		return w.failed(err)
	}
	return nil
}

// Commit implements content.Writer.
func (w *writer) Commit(ctx context.Context, desc ocispec.Descriptor) error {
	if err := w.usable(); err != nil {
		return err
	}
	_, err := blobName(desc.Digest)
	if err == nil {
		err = w.check(ctx, desc)
	}
	if err != nil {
		if errors.Is(err, errdefs.ErrCorrupt) {
			err = errors.Join(err, w.drop())
		}
		return err
	}
	if err := w.publish(desc.Digest); err != nil {
		return fmt.Errorf("committing blob %s: %w", desc.Digest, err)
	}
	w.done = true
	// The blob is durable and acknowledged; what is left over of the write
	// costs nothing but a name, and Expire takes it.
	if w.hasState && w.s.fault(StepCleanup) == nil {
		_ = w.s.root.Remove("ingest/" + w.key + stateSuffix)
	}
	_ = filelock.Release(w.f)
	return nil
}

// check compares the bytes with desc.
func (w *writer) check(ctx context.Context, desc ocispec.Descriptor) error {
	if desc.Size != 0 && desc.Size != w.offset {
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "%d bytes came, %d expected", w.offset,
			desc.Size)
	}
	got := w.Digest()
	if desc.Digest.Algorithm() == digest.SHA512 {
		// Rare, and known only now: a second pass, through the page cache.
		h := sha512.New()
		if _, err := io.Copy(h, io.NewSectionReader(w.f, 0, w.offset)); err != nil {
			return w.failed(err)
		}
		got = digest.NewDigest(digest.SHA512, h)
	}
	if got != desc.Digest {
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "the %d bytes that came hash to %s", w.offset,
			got)
	}
	return ctx.Err()
}

// publish makes the bytes durable, then visible, then their name durable. A
// blob that is there already is replaced: its bytes are the same, unless the
// disk has rotted, which this heals.
func (w *writer) publish(dgst digest.Digest) error {
	if err := w.sync(StepSync); err != nil {
		return err
	}
	dir, err := w.s.appear(w.key, dgst)
	if err != nil {
		return w.failed(err)
	}
	// From here on the file is a blob, and no longer this write.
	w.done = true
	if err := w.s.step(StepSyncDir, dir.Sync); err != nil {
		return errors.Join(w.failed(err), filelock.Release(w.f))
	}
	return nil
}

// appear gives the complete file of a write the name of its blob, in the folder that it
// returns. One that somebody has removed since it was opened is made anew.
func (s *Store) appear(key string, dgst digest.Digest) (*folders.Folder, error) {
	name := blobFolder(dgst)
	for again := false; ; again = true {
		dir, err := s.folders.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			if err = s.ensureDir(name); err == nil {
				dir, err = s.folders.Open(name)
			}
		}
		if err == nil {
			err = s.step(StepRename, func() error { return s.place(key, dir, dgst.Encoded()) })
		}
		if err == nil || again || !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
		s.folders.Forget(name, dir)
	}
}

// place renames a complete file of ingest to the name of its blob. Only a directory in
// the way, which no store made, keeps a rename from replacing what is there.
func (s *Store) place(from string, to *folders.Folder, name string) error {
	in, err := s.folders.Open(ingest)
	if err != nil {
		return err
	}
	err = in.Move(from, to, name)
	if err == nil {
		return nil
	}
	if fi, lerr := to.Lstat(name); lerr != nil || !fi.IsDir() {
		return err
	}
	if err := to.RemoveAll(name); err != nil {
		return err
	}
	return in.Move(from, to, name)
}

func (s *Store) ensureDir(dir string) error {
	if _, err := s.root.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.fault(StepMkdir); err != nil {
		return err
	}
	if err := s.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.syncDir("blobs")
}

// drop forgets a write that turned out wrong.
func (w *writer) drop() error {
	w.done = true
	return errors.Join(w.s.forget(w.key), filelock.Release(w.f))
}

var _ content.ReadableWriter = (*writer)(nil)
