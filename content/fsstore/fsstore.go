// Package fsstore keeps blobs in an OCI image layout on a file system.
//
//	oci-layout, index.json    so that any OCI tool reads the folder in place
//	blobs/<alg>/<hex>         complete blobs, and nothing else
//	ingest/<key>              bytes of a write; locked while a Writer is open
//	ingest/<key>.state        how far they go, and the hash up to there
//	leases/<name>             refs of a lease; locked while it lives
//	gc.lock                   shared to add a lease, exclusive to collect
//
// Many processes share one root. All that is agreed between them is agreed by
// file locks and rename, so killing any of them at any point leaves a consistent
// store: a blob is there whole or not at all.
//
// A commit is fsync(data), rename into blobs, fsync(blobs/<alg>). The second
// fsync is not decoration: without it a power cut loses the name of a blob that
// was acknowledged.
package fsstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/content/fsstore/folders"
	"cove/errdefs"
	"cove/internal/ids"
)

var _ content.Store = (*Store)(nil)

// Options tune a Store; the zero value is right for use.
type Options struct {
	// Fault, when set, is asked before every step that changes the disk. An
	// error it returns becomes the failure of that step. It is how tests fill
	// the disk, break it, and kill the process in the worst moments.
	Fault func(Step) error
}

// Step names a system call of a write, in the order of a life.
type Step string

// The steps of a write.
const (
	StepCreate      Step = "create"       // ingest file made or opened
	StepWrite       Step = "write"        // bytes to the ingest file
	StepStateSync   Step = "state.sync"   // data durable before a durable state
	StepStateWrite  Step = "state.write"  // state to a temporary file
	StepStateRename Step = "state.rename" // state replaces the older
	StepSync        Step = "sync"         // commit: data durable
	StepMkdir       Step = "mkdir"        // commit: blobs/<alg>, the first time
	StepRename      Step = "rename"       // commit: the blob appears
	StepSyncDir     Step = "syncdir"      // commit: its name is durable
	StepCleanup     Step = "cleanup"      // commit: the state file goes
)

// Store is a content.Store on disk. It is safe for concurrent use, by any
// number of processes on one root.
type Store struct {
	path string
	root *os.Root // every name below is opened relative to it
	opts Options
	boot string
	// checkpoint is how many bytes may come between two durable states.
	checkpoint int64

	// folders are those below root that were opened.
	folders *folders.Folders

	buffers sync.Pool // *[]byte of copySize
}

// Open opens the store at root and makes it, and its parents, if it is not
// there. Who wants another mode on the parents makes them first.
func Open(root string, opts Options) (*Store, error) {
	if err := folders.Make(root); err != nil {
		return nil, fmt.Errorf("content store: %w", err)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("content store: %w", err)
	}
	s := &Store{path: root, root: r, folders: folders.Below(r), opts: opts, boot: ids.Boot()}
	s.checkpoint = checkpointEvery
	s.buffers.New = func() any { b := make([]byte, copySize); return &b }
	if _, err := r.Lstat(ocispec.ImageLayoutFile); errors.Is(err, fs.ErrNotExist) {
		err = s.initialize()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("content store %s: %w", root, err), r.Close())
		}
	}
	return s, nil
}

// initialize makes an empty layout. Several processes may do it at once; the
// file oci-layout comes last, and says that the rest is there.
func (s *Store) initialize() error {
	for _, dir := range []string{"blobs", "blobs/sha256", "ingest", "leases"} {
		if err := s.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	const index = `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`
	if err := s.createOnce(ocispec.ImageIndexFile, index); err != nil {
		return err
	}
	if err := s.createOnce(ocispec.ImageLayoutFile,
		`{"imageLayoutVersion":"`+ocispec.ImageLayoutVersion+`"}`); err != nil {
		return err
	}
	return errors.Join(s.syncDir("blobs"), s.syncDir("."))
}

// createOnce links a complete file to name, unless there is one.
func (s *Store) createOnce(name, body string) error {
	tmp, f, err := s.temp(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString(body)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = s.root.Link(tmp, name)
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, s.root.Remove(tmp))
}

// Path is the folder of the layout.
func (s *Store) Path() string { return s.path }

// Close releases the root. Readers, writers and leases stay usable.
func (s *Store) Close() error {
	return errors.Join(s.root.Close(), s.folders.Close())
}

// ingest is the folder of writes.
const ingest = "ingest"

// blobDir is the folder of a valid digest's blob.
func (s *Store) blobDir(dgst digest.Digest) (*folders.Folder, error) {
	return s.folders.Open(blobFolder(dgst))
}

func blobFolder(dgst digest.Digest) string { return "blobs/" + dgst.Algorithm().String() }

// Sync makes the names of all blobs durable. A server calls it once at start:
// a blob that a killed process had renamed into place but not yet
// acknowledged is visible, and must not be counted on before this.
func (s *Store) Sync(context.Context) error {
	for _, alg := range algorithms() {
		if err := s.syncDir("blobs/" + alg.String()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("content store %s: %w", s.path, err)
		}
	}
	return nil
}

// Open implements content.Provider. The reader is a content.FileReader.
func (s *Store) Open(_ context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	if _, err := blobName(desc.Digest); err != nil {
		return nil, err
	}
	dir, err := s.blobDir(desc.Digest)
	if err != nil {
		return nil, blobError(desc.Digest, err)
	}
	if _, err := regular(dir, desc.Digest); err != nil {
		return nil, err
	}
	// Should a pipe have come there meanwhile, the open must not wait for it.
	f, err := dir.OpenFile(desc.Digest.Encoded(), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, blobError(desc.Digest, err)
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
	case desc.Size != 0 && desc.Size != fi.Size():
		err = content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "%d bytes are stored, %d expected", fi.Size(),
			desc.Size)
	default:
		return &reader{f: f, size: fi.Size()}, nil
	}
	return nil, errors.Join(err, f.Close())
}

type reader struct {
	f    *os.File
	size int64
}

var _ content.FileReader = (*reader)(nil)

func (r *reader) ReadAt(p []byte, off int64) (int, error) { return r.f.ReadAt(p, off) }
func (r *reader) Close() error                            { return r.f.Close() }
func (r *reader) Size() int64                             { return r.size }
func (r *reader) File() *os.File                          { return r.f }

// Stat implements content.Manager.
func (s *Store) Stat(_ context.Context, dgst digest.Digest) (content.Info, error) {
	if _, err := blobName(dgst); err != nil {
		return content.Info{}, err
	}
	dir, err := s.blobDir(dgst)
	if err != nil {
		return content.Info{}, blobError(dgst, err)
	}
	fi, err := regular(dir, dgst)
	if err != nil {
		return content.Info{}, err
	}
	return content.Info{Digest: dgst, Size: fi.Size(), ModTime: fi.ModTime()}, nil
}

// regular is errdefs.ErrNotFound for what is no plain file, which nobody who
// commits blobs made: a link, say, leads to bytes that may change.
func regular(dir *folders.Folder, dgst digest.Digest) (fs.FileInfo, error) {
	fi, err := dir.Lstat(dgst.Encoded())
	switch {
	case err != nil:
		return nil, blobError(dgst, err)
	case !fi.Mode().IsRegular():
		return nil, content.BlobErrorf(errdefs.ErrNotFound, dgst, "is not stored here; %s is in its place",
			kindOf(fi.Mode()))
	}
	return fi, nil
}

func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "a file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return "a symbolic link"
	case fs.ModeNamedPipe:
		return "a pipe"
	case fs.ModeSocket:
		return "a socket"
	default:
		return "a device"
	}
}

// Delete implements content.Manager. It is not made durable: a blob that comes
// back after a power cut is garbage again, which is no loss.
func (s *Store) Delete(_ context.Context, dgst digest.Digest) error {
	name, err := blobName(dgst)
	if err != nil {
		return err
	}
	// What stands in the blob's place and is none goes too, as Inspector says.
	err = s.root.Remove(name)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		err = s.root.RemoveAll(name)
	}
	if err != nil {
		return blobError(dgst, err)
	}
	return nil
}

// All implements content.Manager.
func (s *Store) All(ctx context.Context) iter.Seq2[content.Info, error] {
	return func(yield func(content.Info, error) bool) {
		for _, alg := range algorithms() {
			for e, err := range s.entries(ctx, "blobs/"+alg.String()) {
				if err != nil {
					yield(content.Info{}, err)
					return
				}
				dgst := digest.NewDigestFromEncoded(alg, e.Name())
				fi, err := e.Info()
				if dgst.Validate() != nil || err != nil || !fi.Mode().IsRegular() {
					continue // not ours (see Foreign), or deleted meanwhile
				}
				if !yield(content.Info{Digest: dgst, Size: fi.Size(), ModTime: fi.ModTime()}, nil) {
					return
				}
			}
		}
	}
}

func algorithms() []digest.Algorithm { return []digest.Algorithm{digest.SHA256, digest.SHA512} }

// blobName is the only place where a digest becomes a path, and only a valid
// one does.
func blobName(dgst digest.Digest) (string, error) {
	if err := dgst.Validate(); err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "digest %q: %w", dgst, err)
	}
	alg := dgst.Algorithm()
	if alg != digest.SHA256 && alg != digest.SHA512 {
		return "", errdefs.Errorf(errdefs.ErrUnsupported, "digest %q: only sha256 and sha512 are kept", dgst)
	}
	return blobFolder(dgst) + "/" + dgst.Encoded(), nil
}

func blobError(dgst digest.Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return content.BlobErrorf(errdefs.ErrNotFound, dgst, "is not stored here")
	}
	return diskError(content.BlobName(dgst), err)
}

// diskError gives a failed system call the kind that callers act on.
func diskError(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return errdefs.Errorf(errdefs.ErrExhausted, "%s: the disk is full: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// fault asks the test hook, if there is one.
func (s *Store) fault(step Step) error {
	if s.opts.Fault == nil {
		return nil
	}
	return s.opts.Fault(step)
}

// step does a step of a commit, if the test hook lets it.
func (s *Store) step(name Step, do func() error) error {
	if err := s.fault(name); err != nil {
		return err
	}
	return do()
}

func (s *Store) syncDir(name string) error {
	d, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
