package record

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/leanjson"
)

// Files that every container has.
const (
	configFile  = "config.json"
	stateFile   = "state.json"
	nameFileOwn = "name"
)

// Kept is what can be read of a container's config: all of it, or what lists show of it, or
// its ID alone, and how it is called. That it is not all is errdefs.ErrCorrupt.
func (d Dir) Kept() (cfg Config, name string, err error) {
	name, nerr := d.Name()
	if cfg, err = d.Config(); err == nil && nerr == nil {
		return cfg, name, nil
	}
	err = errors.Join(err, nerr)
	if cfg.ID != d.ID() {
		if cfg, _ = d.Brief(); cfg.ID != d.ID() { // of which err tells
			cfg = Config{ID: d.ID()}
		}
	}
	if name == "" {
		name = cfg.Name
	}
	if name == "" {
		name = ids.Short(d.ID())
	}
	cfg.Name = name
	return cfg, name, err
}

// readFile calls use with what is in a file of the directory. One that is not there is
// errdefs.ErrNotFound, and one that cannot be read, or of which use makes nothing,
// errdefs.ErrCorrupt.
func (d Dir) readFile(name string, use func(data []byte) error) error {
	var garbled error
	err := readFile(d.Path(name), func(data []byte) error { garbled = use(data); return nil })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return notFound(d)
	case err != nil && transient(err):
		return fmt.Errorf("runner: container %s: %w", d.ID(), err)
	}
	return d.damaged(name, errors.Join(err, garbled))
}

// transient says of an error that it is of this process, or this moment, and not of the file.
func transient(err error) bool {
	for _, lack := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EACCES, unix.EPERM} {
		if errors.Is(err, lack) {
			return true
		}
	}
	return false
}

func (d Dir) read(name string, into any) error {
	return d.readFile(name, func(data []byte) error { return leanjson.Unmarshal(data, into) })
}

// needed has a file be there if the container is: it appears, and goes, as a whole.
func (d Dir) needed(name string, err error) error {
	if errors.Is(err, errdefs.ErrNotFound) && !d.Gone() {
		return d.damaged(name, errors.New("it is not there"))
	}
	return err
}

// damaged says that a file of the container is not what it was.
func (d Dir) damaged(name string, why error) error {
	if why == nil {
		return nil
	}
	return errdefs.Suggest(errdefs.Errorf(errdefs.ErrCorrupt,
		"runner: container %s: %s cannot be read: %v", d.ID(), name, why), errdefs.RemoveForced, ids.Short(d.ID()))
}
