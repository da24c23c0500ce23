package parcel

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/process"
)

// Keep is Serve in directories of its own, below those of top, which it removes.
func Keep(ctx context.Context, in io.Reader, out io.Writer, top Dirs) (err error) {
	disk, err := directory(top.Disk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(disk)) }()
	memory, err := directory(top.Memory)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(memory)) }()
	// Who hung up reads no answer: that ends what is said, and not this process before
	// it has removed what it keeps.
	signal.Ignore(unix.SIGPIPE)
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, until(ctx, in), out, Dirs{Disk: disk, Memory: memory}) }()
	select {
	case err = <-served:
	case <-ctx.Done(): // also while it waits for what is sent
		select {
		case err = <-served: // nobody writes any more what is removed
		case <-time.After(time.Second): // nor while it waits
		}
		err = errors.Join(ctx.Err(), err)
	}
	return err
}

// until reads from r until a context ends.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// directory makes one of this process below top, and removes those of processes that were
// killed.
func directory(top string) (string, error) {
	top, err := filepath.Abs(filepath.Join(top, "parcels"))
	if err == nil {
		err = os.MkdirAll(top, 0o700)
	}
	if err != nil {
		return "", err
	}
	left, err := os.ReadDir(top)
	if err != nil {
		return "", err
	}
	for _, entry := range left {
		if tag, _, _ := strings.Cut(entry.Name(), "-"); process.TagEnded(tag) {
			if err := os.RemoveAll(filepath.Join(top, entry.Name())); err != nil {
				return "", err
			}
		}
	}
	return os.MkdirTemp(top, process.Tag()+"-*")
}
