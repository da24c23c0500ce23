package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cove/errdefs"
	"cove/internal/ids"
)

// Containers is the directory of all containers of a root.
func Containers(root string) string { return filepath.Join(root, "containers") }

// Of is the directory of one container.
func Of(root, id string) Dir { return Dir(filepath.Join(Containers(root), id)) }

func nameFile(root, name string) string { return filepath.Join(Containers(root), ".names", name) }

// Claim makes name stand for id. A name is a file, made exclusively, that holds
// the ID; one whose container is gone, as a kill in the middle of a removal
// leaves it, is taken over. A name in use is errdefs.ErrExists.
func Claim(root, name, id string) error {
	path := nameFile(root, name)
	tmp := path + "." + id // no name contains an ID's length of hex after a dot
	if err := os.WriteFile(tmp, []byte(id), 0o600); err != nil {
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = os.WriteFile(tmp, []byte(id), 0o600)
		}
		if err != nil {
			return fmt.Errorf("runner: naming %s: %w", name, err)
		}
	}
	defer os.Remove(tmp)
	for range 3 {
		// A link, so that the file never exists without its content.
		err := os.Link(tmp, path)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		holder, found := Lookup(root, name)
		if !found {
			continue
		}
		if _, err := os.Stat(string(Of(root, holder))); err == nil || holder == id {
			return errdefs.Errorf(errdefs.ErrExists, "runner: the name %q is in use by container %.12s; remove or rename that one to reuse it", name, holder)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("runner: naming %s: %w", name, err)
		}
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "runner: naming %s: it changes hands too quickly", name)
}

// Lookup returns the ID that a name stands for.
func Lookup(root, name string) (string, bool) {
	id, err := os.ReadFile(nameFile(root, name))
	return strings.TrimSpace(string(id)), err == nil && len(id) > 0
}

// Unclaim frees a name if it still stands for id.
func Unclaim(root, name, id string) error {
	if holder, ok := Lookup(root, name); !ok || holder != id {
		return nil
	}
	if err := os.Remove(nameFile(root, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("runner: freeing the name %s: %w", name, err)
	}
	return nil
}

// Remove deletes a container's name and directory. It is first renamed, so that
// no half of it is ever taken for a container.
func (d Dir) Remove() error {
	if name, err := d.Name(); err == nil {
		if err := Unclaim(d.Root(), name, d.ID()); err != nil {
			return err
		}
	}
	going := filepath.Join(Containers(d.Root()), ".removing-"+d.ID())
	if err := os.Rename(string(d), going); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("runner: removing container %s: %w", d.ID(), err)
	}
	if err := os.RemoveAll(going); err != nil {
		return fmt.Errorf("runner: removing container %s: %w", d.ID(), err)
	}
	return nil
}

// VolumesInUse are the names of all volumes that a container of the root has.
func VolumesInUse(root string) (map[string]bool, error) {
	entries, err := os.ReadDir(Containers(root))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("runner: listing containers: %w", err)
	}
	used := map[string]bool{}
	for _, e := range entries {
		if !ids.Valid(e.Name()) {
			continue
		}
		cfg, err := Of(root, e.Name()).Config()
		if errors.Is(err, errdefs.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		for _, name := range cfg.Volumes {
			used[name] = true
		}
	}
	return used, nil
}
