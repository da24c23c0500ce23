// Package folders keeps folders of a tree open: a name in one of them is one system
// call, while below the root it is one for each component.
package folders

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Make is os.MkdirAll, and makes the name of each new directory durable: a
// blob is as lost as the folder above it.
func Make(dir string) error {
	err := os.Mkdir(dir, 0o755)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := Make(filepath.Dir(dir)); err != nil {
			return err
		}
		return Make(dir)
	case err != nil:
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// Folders are those of one root that were opened. They are safe for concurrent use.
type Folders struct {
	root *os.Root
	open sync.Map // name to *Folder
}

// Below has none open yet.
func Below(root *os.Root) *Folders { return &Folders{root: root} }

// Folder is one that is open. Names in it are of one component.
type Folder struct {
	*os.Root
	dir *os.File // the same one, as a descriptor
}

// Open opens one, once.
func (f *Folders) Open(name string) (*Folder, error) {
	if known, ok := f.open.Load(name); ok {
		return known.(*Folder), nil
	}
	root, err := f.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	dir, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	in := &Folder{root, dir}
	if won, lost := f.open.LoadOrStore(name, in); lost {
		return won.(*Folder), in.Close()
	}
	return in, nil
}

// Forget has the next Open look for a folder anew. Who has it still meets that it is
// gone: it is not closed on them.
func (f *Folders) Forget(name string, was *Folder) { f.open.CompareAndDelete(name, was) }

// Close closes all of them.
func (f *Folders) Close() error {
	var errs []error
	for _, in := range f.open.Range {
		errs = append(errs, in.(*Folder).Close())
	}
	return errors.Join(errs...)
}

// Close closes one that nobody else has.
func (in *Folder) Close() error { return errors.Join(in.dir.Close(), in.Root.Close()) }

// Sync makes the names in it durable.
func (in *Folder) Sync() error { return in.dir.Sync() }

// Move renames a file of the folder to a name in another, and replaces what has that.
func (in *Folder) Move(from string, to *Folder, name string) error {
	for {
		err := unix.Renameat(int(in.dir.Fd()), from, int(to.dir.Fd()), name)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.LinkError{Op: "rename", Old: from, New: name, Err: err}
		}
	}
}
