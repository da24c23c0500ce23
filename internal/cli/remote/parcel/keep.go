package parcel

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

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
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, in, out, Dirs{Disk: disk, Memory: memory}) }()
	select {
	case err = <-served:
	case <-ctx.Done(): // also while it waits for what is sent
		err = ctx.Err()
	}
	return err
}

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
