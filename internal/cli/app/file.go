package app

import (
	"errors"
	"io"
	"os"

	"cove/internal/atomicfile"
)

// WriteFile writes a file by write. It leaves nothing, or what was there before,
// when that fails. What is no regular file, as a pipe, is written to in place.
func WriteFile(name string, write func(io.Writer) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	return atomicfile.Replace(atomicfile.Host{}, name, 0o600, atomicfile.Durable, write)
}
