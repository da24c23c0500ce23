// Package transit is blobs on their way from an upstream to the clients that asked for
// them. Each comes once and is read by any number of clients as it comes. It is stored,
// unless there is no room for it: then it is passed on, from a file without a name. The
// last byte is given to nobody before all of them were held against the digest and, if
// they are kept, are durable.
package transit

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/span"
)

// Piece is how many bytes are moved at once.
const Piece = 256 << 10

// Upstream is where one blob comes from.
type Upstream interface {
	// Host is what traces call it.
	Host() string
	// Describe asks how long the blob is.
	Describe(ctx context.Context) (ocispec.Descriptor, error)
	// Take waits for the right to move it.
	Take(ctx context.Context) (release func(), err error)
	// Open reads it.
	Open(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error)
	// Pass waits until so many bytes more may come.
	Pass(ctx context.Context, bytes int) error
	// Heard draws the conclusions of how it went; its error is for clients.
	Heard(err error) error
}

// Way is where a blob comes from and goes to. All of it is required.
type Way struct {
	Repository string
	Digest     digest.Digest
	From       Upstream
	Into       distribution.Registry
	// Room asks whether the repository, which is there, may have so many bytes more, and
	// keeps them for this blob until its claim is settled.
	Room func(ctx context.Context, bytes int64) (Claim, error)
	// Unkept hears that the blob is passed on without being stored, and why.
	Unkept func(ctx context.Context, desc ocispec.Descriptor, err error)
	// Spool is a folder for what cannot be read back, or is not stored.
	Spool string
}

// Claim gives back, once, the room that was kept for a blob: as commit stores it, or, with
// nil, without that.
type Claim func(commit func() error) error

// Blob is one that is coming.
type Blob struct {
	way Way

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, with each step
	size    int64         // -1 until it is known
	written int64
	from    io.ReaderAt // what was written
	ended   bool
	passed  bool // it is all in the file, which is right, and nowhere else
	err     error
	file    *os.File // nil where the upload can be read back
	readers int      // whose reading the file is for
}

// New is one that Run brings.
func New(w Way) *Blob { return &Blob{way: w, size: -1, changed: make(chan struct{})} }

// step changes the state and wakes who waits.
func (b *Blob) step(change func()) {
	b.mu.Lock()
	change()
	close(b.changed)
	b.changed = make(chan struct{})
	b.mu.Unlock()
}

// until waits for something to be so, or for a failure.
func (b *Blob) until(ctx context.Context, so func() bool) error {
	for {
		b.mu.Lock()
		ready, err, changed := so(), b.err, b.changed
		b.mu.Unlock()
		if ready || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run brings it, once.
func (b *Blob) Run(ctx context.Context) {
	err := b.bring(ctx)
	b.step(func() {
		b.ended, b.err = true, err
		b.closeFile()
	})
}

// closeFile closes the file, which has no name, once nobody reads it any more.
func (b *Blob) closeFile() {
	if b.file != nil && b.ended && b.readers == 0 {
		_ = b.file.Close() // it was only read
		b.file = nil
	}
}

func (b *Blob) bring(ctx context.Context) error {
	desc, err := b.way.From.Describe(ctx)
	if err != nil {
		return err
	}
	b.step(func() { b.size = desc.Size })
	// That the upstream has it in this repository was just asked.
	if _, err := b.way.Into.MountBlob(ctx, b.way.Repository, "", b.way.Digest); err == nil {
		return nil
	}
	release, err := b.way.From.Take(ctx)
	if err != nil {
		return err
	}
	defer release()
	to := &sink{b: b, desc: desc}
	if err := to.open(ctx); err != nil {
		return err
	}
	err = to.fill(ctx)
	if err == nil {
		err = to.finish(ctx)
	}
	to.close(ctx, err)
	return err
}

// sink takes the bytes: an upload, a file beside it where that cannot be read back, or the
// file alone.
type sink struct {
	b    *Blob
	desc ocispec.Descriptor
	up   distribution.Upload // nil when the blob is not kept
	file *os.File
	room Claim // nil without
}

// ours is a failure of this registry, and none of the upstream.
type ours struct{ error }

func (o ours) Unwrap() error { return o.error }

func (s *sink) open(ctx context.Context) error {
	err := s.openUpload(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.drop(ctx, err)
	}
	if s.up != nil {
		if w, ok := s.up.(interface {
			Written(ctx context.Context) io.ReaderAt
		}); ok {
			if from := w.Written(ctx); from != nil {
				s.b.step(func() { s.b.from = from })
				return nil
			}
		}
	}
	if s.file, err = os.CreateTemp(s.b.way.Spool, ".proxy-"); err != nil {
		s.close(ctx, err)
		return err
	}
	if err := os.Remove(s.file.Name()); err != nil {
		s.close(ctx, err)
		return errors.Join(err, s.file.Close())
	}
	s.b.step(func() { s.b.file, s.b.from = s.file, s.file })
	return nil
}

func (s *sink) openUpload(ctx context.Context) (err error) {
	// The repository comes with it, if it is not there.
	if s.up, err = s.b.way.Into.StartUpload(ctx, s.b.way.Repository); err != nil {
		s.up = nil
		return err
	}
	s.room, err = s.b.way.Room(ctx, s.desc.Size)
	return err
}

// drop gives up keeping the blob.
func (s *sink) drop(ctx context.Context, why error) {
	s.b.way.Unkept(ctx, s.desc, why)
	s.close(ctx, why)
}

// close ends what is kept for the upload; with an error that is over, too.
func (s *sink) close(ctx context.Context, err error) {
	if s.up != nil && err != nil {
		_ = s.up.Cancel(context.WithoutCancel(ctx)) // the reason is err; what stays expires
		s.up = nil
	}
	if s.room != nil {
		_ = s.room(nil) // it commits nothing
		s.room = nil
	}
}

// fill moves all bytes.
func (s *sink) fill(ctx context.Context) error {
	from := s.b.way.From
	_, end := span.Start(ctx, span.Upstream, from.Host()+" bytes of "+s.b.way.Digest.String())
	body, err := from.Open(ctx, s.desc)
	if err == nil {
		err = s.copy(ctx, body)
		err = errors.Join(err, body.Close())
	}
	end(err)
	var failed ours
	if errors.As(err, &failed) {
		return failed.error
	}
	return from.Heard(err)
}

func (s *sink) copy(ctx context.Context, body io.Reader) error {
	buf := make([]byte, Piece)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if err := s.b.way.From.Pass(ctx, n); err != nil {
				return err
			}
			if err := s.write(ctx, buf[:n]); err != nil {
				return ours{err}
			}
			s.b.step(func() { s.b.written += int64(n) })
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write goes on without the upload when that fails, if clients read the file in any case.
func (s *sink) write(ctx context.Context, p []byte) error {
	if s.up != nil {
		if _, err := s.up.Write(p); err != nil {
			if s.file == nil || ctx.Err() != nil {
				return err
			}
			s.drop(ctx, err)
		}
	}
	if s.file == nil {
		return nil
	}
	_, err := s.file.Write(p)
	return err
}

// finish makes a stored blob of the upload or, without one, holds the file against the
// digest.
func (s *sink) finish(ctx context.Context) error {
	if s.up != nil {
		commit := s.room
		s.room = nil
		err := commit(func() error {
			_, err := s.up.Commit(ctx, s.b.way.Digest)
			return err
		})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errdefs.ErrCorrupt):
			return s.b.way.From.Heard(err)
		case s.file == nil || ctx.Err() != nil:
			return err
		}
		s.drop(ctx, err)
	}
	sum := s.b.way.Digest.Algorithm().Hash()
	n, err := io.Copy(sum, io.NewSectionReader(s.file, 0, s.desc.Size))
	if err != nil {
		return err
	}
	if got := digest.NewDigest(s.b.way.Digest.Algorithm(), sum); got != s.b.way.Digest {
		return s.b.way.From.Heard(content.BlobErrorf(errdefs.ErrCorrupt, s.b.way.Digest,
			"the %d bytes that came hash to %s", n, got))
	}
	s.b.step(func() { s.b.passed = true })
	return nil
}
