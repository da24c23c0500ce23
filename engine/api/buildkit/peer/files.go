package peer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync/atomic"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
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

// Receive fetches files into a new directory, and returns how many bytes came. Whatever
// the peer sends, nothing outside of it is written: fsutil opens all below the root, and what
// is no file, directory or symbolic link is left out.
func (p *Peer) Receive(ctx context.Context, w Wanted, dir string) (int64, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, errdefs.Errorf(errdefs.ErrUnavailable, "a place for the context: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrUnavailable, "a place for the context: %w", err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	md := metadata.MD{"dir-name": {w.Name}}
	encode(md, "followpaths", w.Follow)
	encode(md, "exclude-patterns", w.Exclude)
	stream, err := filesync.NewFileSyncClient(p.caller.Conn()).DiffCopy(metadata.NewOutgoingContext(ctx, md))
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrUnavailable, "asking the client for %s: %w", w.Name, err)
	}
	bounds := &bounded{ClientStream: stream, bytes: w.MaxBytes, files: w.MaxFiles, name: w.Name}
	err = fsutil.ReceiveRoot(ctx, bounds, fsutil.NewRoot(root), fsutil.ReceiveOpt{Filter: bounds.filter})
	if err == nil {
		err = stream.CloseSend()
	}
	switch {
	case bounds.over() != nil:
		return 0, bounds.over()
	case isMissing(err):
		return 0, errdefs.Errorf(errdefs.ErrNotFound, "the client has no directory %q for this build", w.Name)
	case err != nil:
		return 0, errdefs.Errorf(errdefs.ErrUnavailable, "receiving %s from the client: %w", w.Name, err)
	}
	return bounds.gotBytes.Load(), nil
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
	switch {
	case !ok:
		return nil
	case p.Stat != nil && b.gotFiles.Add(1) > int64(b.files):
		return b.fail("%s of the build has more than %d files, which is the limit: leave some out with .dockerignore",
			b.name, b.files)
	case b.gotBytes.Add(int64(len(p.Data))) > b.bytes:
		return b.fail("%s of the build has more than %d bytes, which is the limit: leave some out with .dockerignore",
			b.name, b.bytes)
	}
	return nil
}

// filter decides what is written, and as what: as files of root, which they become in
// an image unless a COPY says more.
func (b *bounded) filter(_ string, st *fstypes.Stat) bool {
	st.Uid, st.Gid = 0, 0
	for key := range st.Xattrs {
		if key != "security.capability" && !strings.HasPrefix(key, "user.") {
			delete(st.Xattrs, key)
		}
	}
	mode := fs.FileMode(st.Mode)
	return mode&fs.ModeType&^(fs.ModeDir|fs.ModeSymlink) == 0
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
