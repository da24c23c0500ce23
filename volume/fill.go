package volume

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"cove/internal/filelock"
)

// fillingDir is where the first files of a volume that exists already are made,
// beside its directory: a kill before they are whole leaves the volume empty.
const fillingDir = ".filling"

// fillEmpty puts the first files into a volume that was made without any, as one is
// that somebody made before a container had it. One that has files keeps just those.
func (s *Store) fillEmpty(ctx context.Context, v Volume, fill func(context.Context, string) error) error {
	if fill == nil || len(v.Options) > 0 {
		return nil
	}
	data := s.Path(v.Name)
	if empty, err := isEmpty(data); err != nil || !empty {
		return err
	}
	return filelock.With(ctx, filepath.Join(filepath.Dir(data), "volume.json"), func() error {
		return fillBeside(ctx, data, fill)
	})
}

func fillBeside(ctx context.Context, data string, fill func(context.Context, string) error) error {
	if empty, err := isEmpty(data); err != nil || !empty {
		return err // another was first
	}
	filling := filepath.Join(filepath.Dir(data), fillingDir)
	if err := os.RemoveAll(filling); err != nil { // of one that was killed
		return err
	}
	defer os.RemoveAll(filling)
	if err := os.Mkdir(filling, 0o755); err != nil {
		return err
	}
	if err := fill(ctx, filling); err != nil {
		return err
	}
	return moveInto(filling, data)
}

// moveInto gives a directory the entries, owner and mode of another. A container may
// have it mounted, so it is not replaced.
func moveInto(from, to string) error {
	told, err := os.Stat(from)
	if err != nil {
		return err
	}
	if st, ok := told.Sys().(*syscall.Stat_t); ok {
		err = os.Lchown(to, int(st.Uid), int(st.Gid))
	}
	if err := errors.Join(err, os.Chmod(to, told.Mode())); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	for _, e := range entries {
		err = errors.Join(err, os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())))
	}
	return err
}

func isEmpty(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // removed meanwhile
	}
	return len(entries) == 0, err
}
