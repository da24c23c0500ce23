package peer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"sync/atomic"

	"github.com/moby/buildkit/session/filesync"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"cove/errdefs"
)

// Wanted is which files of the peer's directory are asked for.
type Wanted struct {
	// Name is the peer's, of the directory.
	Name string
	// Follow are files, with what they are links to; Exclude are patterns.
	Follow, Exclude []string
	// MaxBytes and MaxFiles bound what is taken.
	MaxBytes int64
	MaxFiles int
}

// Got is what was received.
type Got struct {
	// Sent are the bytes that came, Size those of all files that are there now.
	Sent, Size int64
}

// Place is where what is received lies.
type Place struct {
	// Files is the directory, List a file that says what is in it, which is not there when
	// it is empty; "" is that nobody will ask.
	Files, List string
}

// Receive fetches files into a directory, which has then what the peer has and nothing else: what
// was there and looks alike, by size, time and mode, does not come again. Whatever the peer
// sends, nothing outside of it is written: fsutil opens all below the root, and what is no file,
// directory or symbolic link is left out.
func (p *Peer) Receive(ctx context.Context, w Wanted, at Place) (Got, error) {
	root, err := os.OpenRoot(at.Files)
	if err != nil {
		return Got{}, errdefs.Errorf(errdefs.ErrUnavailable, "a place for the context: %w", err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	md := metadata.MD{"dir-name": {w.Name}}
	encode(md, "followpaths", w.Follow)
	encode(md, "exclude-patterns", w.Exclude)
	stream, err := filesync.NewFileSyncClient(p.caller.Conn()).DiffCopy(metadata.NewOutgoingContext(ctx, md))
	if err != nil {
		return Got{}, errdefs.Errorf(errdefs.ErrUnavailable, "asking the client for %s: %w", w.Name, err)
	}
	bounds := &bounded{ClientStream: stream, bytes: w.MaxBytes, files: w.MaxFiles, name: w.Name}
	err = bounds.receive(ctx, root, at.List)
	switch {
	case bounds.over() != nil:
		return Got{}, bounds.over()
	case isMissing(err):
		return Got{}, errdefs.Errorf(errdefs.ErrNotFound, "the client has no directory %q for this build", w.Name)
	case err != nil:
		return Got{}, errdefs.Errorf(errdefs.ErrUnavailable, "receiving %s from the client: %w", w.Name, err)
	}
	return Got{Sent: bounds.gotBytes.Load(), Size: bounds.size}, nil
}

// receive receives what is not here by the list.
func (b *bounded) receive(ctx context.Context, root *os.Root, list string) error {
	had, err := openList(list)
	if err != nil {
		return err
	}
	has, err := newList(list)
	if err != nil {
		return errors.Join(err, had.Close())
	}
	r := &receiver{stream: b, root: root, had: had, has: has}
	err = r.run(ctx)
	if err == nil {
		err = b.CloseSend()
	}
	return errors.Join(err, had.Close(), has.Close(err == nil))
}

// encode adds values to a header, as clients decode them.
func encode(md metadata.MD, key string, values []string) {
	if len(values) == 0 {
		return
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = url.QueryEscape(v)
	}
	md[key], md[key+"-encoded"] = out, []string{"1"}
}

// bounded is the stream of a context, with limits.
type bounded struct {
	grpc.ClientStream
	name  string
	bytes int64
	files int

	gotBytes, gotFiles atomic.Int64
	failed             atomic.Pointer[error]
	// size is what the peer says that its files have.
	size int64
}

func (b *bounded) over() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (b *bounded) fail(format string, args ...any) error {
	err := errdefs.Errorf(errdefs.ErrExhausted, format, args...)
	b.failed.CompareAndSwap(nil, &err)
	return err
}

// RecvMsg implements grpc.ClientStream.
func (b *bounded) RecvMsg(m any) error {
	if err := b.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	p, ok := m.(*fstypes.Packet)
	if ok && p.Stat != nil && fs.FileMode(p.Stat.Mode).IsRegular() && p.Stat.Linkname == "" {
		b.size += max(0, min(p.Stat.Size, b.bytes+1))
	}
	switch {
	case !ok:
		return nil
	case b.size > b.bytes:
		return b.full()
	case p.Stat != nil && b.gotFiles.Add(1) > int64(b.files):
		return b.fail("%s of the build has more than %d files, which is the limit: leave some out with .dockerignore",
			b.name, b.files)
	case b.gotBytes.Add(int64(len(p.Data))) > b.bytes:
		return b.full()
	}
	return nil
}

func (b *bounded) full() error {
	return b.fail("%s of the build has more than %d bytes, which is the limit: leave some out with .dockerignore",
		b.name, b.bytes)
}

// ReadFile reads a file of what was received; links lead to what was received alone.
func ReadFile(dir, name string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "there is no %s", name)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	case int64(len(text)) > limit:
		return nil, errdefs.Errorf(errdefs.ErrExhausted, "%s has more than %d bytes, which is the limit", name, limit)
	}
	return text, nil
}
