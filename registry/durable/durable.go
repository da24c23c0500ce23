// Package durable writes the small files of the registry's root (keys,
// certificates, the first password) so that a power cut leaves either the old
// content or the new, never a piece.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path"
)

// WriteFile replaces name in dir. It returns when the content and its name are
// on disk.
func WriteFile(dir *os.Root, name string, data []byte, perm os.FileMode) error {
	temp := path.Join(path.Dir(name), "."+path.Base(name)+"."+rand.Text()[:8])
	if err := writeTemp(dir, temp, data, perm); err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, ignoreMissing(dir.Remove(temp))))
	}
	if err := dir.Rename(temp, name); err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, dir.Remove(temp)))
	}
	return syncDir(dir, path.Dir(name))
}

func writeTemp(dir *os.Root, name string, data []byte, perm os.FileMode) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
}

// syncDir makes the directory's entries durable: a rename alone is not.
func syncDir(dir *os.Root, name string) error {
	d, err := dir.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
