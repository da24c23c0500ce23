package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/process"
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
		if exists(root, holder) || holder == id {
			return errdefs.Errorf(errdefs.ErrExists,
				"runner: the name %q is in use by container %.12s; remove or rename that one to reuse it", name, holder)
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

// RemovingPrefix begins the name of a record that is being deleted; the tag of the process that
// does so comes next. When that has ended, whoever sees one goes on with it.
const RemovingPrefix = ".removing-"

// Remove deletes a container's name and directory. It is first renamed, so that
// no half of it is ever taken for a container.
func (d Dir) Remove() error {
	if name, err := d.Name(); err == nil {
		if err := Unclaim(d.Root(), name, d.ID()); err != nil {
			return err
		}
	}
	going := filepath.Join(Containers(d.Root()), RemovingPrefix+process.Tag()+"-"+d.ID())
	if err := os.Rename(string(d), going); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("runner: removing container %s: %w", d.ID(), err)
	}
	if err := os.RemoveAll(going); err != nil {
		// Nobody's from here on, so that anybody goes on with it: this process may live for long.
		_ = os.Rename(going, filepath.Join(Containers(d.Root()), RemovingPrefix+d.ID()))
		return fmt.Errorf("runner: removing container %s: %w", d.ID(), err)
	}
	return nil
}

// VolumesInUse are the names of all volumes that a container of the root has,
// but for one that is about to go. Of a container that cannot be read nobody knows:
// that is errdefs.ErrCorrupt.
func VolumesInUse(root, but string) (map[string]bool, error) {
	return volumesOf(root, func(d Dir) bool { return d.ID() != but })
}

func volumesOf(root string, count func(Dir) bool) (map[string]bool, error) {
	entries, err := os.ReadDir(Containers(root))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("runner: listing containers: %w", err)
	}
	used := map[string]bool{}
	for _, e := range entries {
		if !ids.Valid(e.Name()) || !count(Of(root, e.Name())) {
			continue
		}
		cfg, _, err := Of(root, e.Name()).Kept()
		switch {
		case errors.Is(err, errdefs.ErrNotFound):
			continue // removed meanwhile
		case err != nil && cfg.ImageID == "": // else what lists show of it names its volumes
			return nil, err
		}
		for _, name := range Volumes(cfg.Mounts) {
			used[name] = true
		}
	}
	return used, nil
}

// VolumesOfTheLiving are the names of the volumes of containers that have a monitor,
// but for one that has ended.
func VolumesOfTheLiving(root, but string) (map[string]bool, error) {
	return volumesOf(root, func(d Dir) bool { return d.ID() != but && d.Held(MonitorLock) })
}

// CleanNames removes names whose container is gone, and what was to become one,
// as a kill in the middle of a naming or a removal leaves them.
func CleanNames(root string) (removed []string, err error) {
	dir := filepath.Dir(nameFile(root, "x"))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var errs []error
	for _, e := range entries {
		name := e.Name()
		if at := strings.LastIndexByte(name, '.'); at >= 0 && ids.Valid(name[at+1:]) {
			if !exists(root, name[at+1:]) {
				if err := os.Remove(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, err)
				}
			}
			continue
		}
		if holder, ok := Lookup(root, name); ok && !exists(root, holder) {
			errs = append(errs, dropName(root, name))
			removed = append(removed, name)
		}
	}
	return removed, errors.Join(append(errs, err)...)
}

// CreatingPrefix begins the name of a record on its way; the tag of the process that makes it
// follows, and its id.
const CreatingPrefix = ".creating-"

// exists reports whether a container is there, or is being made.
func exists(root, id string) bool {
	there := func() bool {
		_, err := os.Lstat(string(Of(root, id)))
		return err == nil
	}
	return there() || creating(root, id) || there() // it may have been made between the two
}

func creating(root, id string) bool {
	entries, err := os.ReadDir(Containers(root))
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		tag, half := strings.CutSuffix(e.Name(), "-"+id)
		return half && !process.TagEnded(strings.TrimPrefix(tag, CreatingPrefix))
	})
}

// dropName removes a name whose holder is gone. Another may take it over in this
// moment: so it is set aside, looked at again, and put back.
func dropName(root, name string) error {
	path := nameFile(root, name)
	aside := path + "." + ids.New()
	if err := os.Rename(path, aside); errors.Is(err, fs.ErrNotExist) {
		return nil // another was faster
	} else if err != nil {
		return fmt.Errorf("runner: freeing the name %s: %w", name, err)
	}
	defer os.Remove(aside)
	holder, err := os.ReadFile(aside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another took it for what a kill left
	}
	if err == nil && exists(root, strings.TrimSpace(string(holder))) {
		err = os.Link(aside, path)
	}
	if err != nil {
		return fmt.Errorf("runner: freeing the name %s: %w", name, err)
	}
	return nil
}

// Half is the tag of the process that makes or removes the record of a name; false for a whole one.
func Half(name string) (tag string, ok bool) {
	for _, prefix := range []string{CreatingPrefix, RemovingPrefix} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			tag, _, _ = strings.Cut(rest, "-")
			return tag, true
		}
	}
	return "", false
}
