package app

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cove/errdefs"
	"cove/internal/atomicfile"
)

// WriteFile writes a file by write. It leaves nothing, or what was there before,
// when that fails. What is no regular file, as a pipe, is written to in place.
func WriteFile(name string, write func(io.Writer) error) error { return writeFile(name, 0o600, write) }

// WriteText is WriteFile of a text that other users' programs may read, as an image id.
func WriteText(name string, text []byte) error {
	return writeFile(name, 0o644, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

func writeFile(name string, perm os.FileMode, write func(io.Writer) error) error {
	dir := filepath.Dir(name)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid output path: directory %q does not exist", dir)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	return atomicfile.Replace(atomicfile.Host{}, name, perm, atomicfile.Durable, write)
}
