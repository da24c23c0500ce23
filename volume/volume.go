// Package volume keeps volumes: directories that outlive containers.
//
// A volume is <root>/volumes/<name>/{volume.json,_data}. It becomes visible by
// one rename, so a volume that can be listed is whole. Whether a container uses
// one is the caller's to know.
package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
	"cove/events"
	"cove/internal/atomicfile"
	"cove/internal/ids"
	"cove/internal/process"
)

// Volume describes one volume.
type Volume struct {
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Options are of the driver; see CheckOptions.
	Options map[string]string `json:"options,omitempty"`
	// Anonymous volumes were named by nobody; they go with their container.
	Anonymous bool `json:"anonymous,omitempty"`
	// Broken is why only the name is known. Only All sets it.
	Broken error `json:"-"`
}

// Store is the volumes of one local root. It is safe for concurrent use, by
// several processes too.
type Store struct {
	dir string
	log events.Log
}

// Open returns the volumes of a local root; nothing is read or made yet.
func Open(root string) *Store {
	return &Store{dir: filepath.Join(root, "volumes"), log: events.Of(root)}
}

// What begins the names of volumes that are being made and removed; whose they
// are follows.
const (
	makingPrefix   = ".making-"
	removingPrefix = ".removing-"
)

// Clean removes what is left of volumes whose making or removal was cut short by
// a kill. It returns what it removed, one line each.
func (s *Store) Clean() (removed []string, err error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		for _, prefix := range []string{makingPrefix, removingPrefix} {
			tag, half := strings.CutPrefix(e.Name(), prefix)
			if tag, _, _ = strings.Cut(tag, "-"); !half || !process.TagEnded(tag) {
				continue
			}
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, e.Name())))
			removed = append(removed, "volume "+e.Name())
		}
	}
	return removed, err
}

func check(name string) error {
	if name == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid volume name or ID: value is empty")
	}
	if !ids.ValidName(name) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"volume %q: a name has 2 to 128 of the characters [a-zA-Z0-9_.-]; a host directory is given by its absolute path", name)
	}
	return nil
}

// Path is where the files of a volume are.
func (s *Store) Path(name string) string { return filepath.Join(s.dir, name, "_data") }

// Wanted is a volume to be made.
type Wanted struct {
	Name    string
	Labels  map[string]string
	Options map[string]string
}

// anonymousLabel is docker's of such volumes, by which scripts find them.
const anonymousLabel = "com.docker.volume.anonymous"

// Create makes a volume and returns it; one that exists already is returned as
// it is, as docker does. A name of "" makes an anonymous one. fill, if not nil,
// puts the first files into the directory of a volume that is new or has none;
// when it fails there is no new volume.
func (s *Store) Create(
	ctx context.Context, o Wanted, fill func(ctx context.Context, dir string) error,
) (Volume, error) {
	v := Volume{
		Name: o.Name, Created: time.Now().UTC(), Labels: o.Labels, Options: o.Options, Anonymous: o.Name == "",
	}
	if err := CheckOptions(o.Options); err != nil {
		return Volume{}, fmt.Errorf("volume %s: %w", o.Name, err)
	}
	if v.Anonymous {
		v.Name = ids.New()
		v.Labels = maps.Clone(v.Labels)
		if v.Labels == nil {
			v.Labels = map[string]string{}
		}
		v.Labels[anonymousLabel] = ""
	}
	if err := check(v.Name); err != nil {
		return Volume{}, err
	}
	for {
		old, err := s.Get(v.Name)
		if err == nil {
			if err := s.fillEmpty(ctx, old, fill); err != nil {
				return Volume{}, fmt.Errorf("volume %s: %w", v.Name, err)
			}
			return old, nil
		}
		if !errors.Is(err, errdefs.ErrNotFound) {
			return Volume{}, err
		}
		made, err := s.make(ctx, v, fill)
		if err != nil {
			return Volume{}, fmt.Errorf("volume %s: %w", v.Name, err)
		}
		if made {
			s.log.Tell(event(v.Name, events.Create))
			return v, nil
		}
		// Another process was first, and a third may have removed it again.
	}
}

func (s *Store) make(ctx context.Context, v Volume, fill func(context.Context, string) error) (made bool, err error) {
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return false, err
	}
	making, err := os.MkdirTemp(s.dir, makingPrefix+process.Tag()+"-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(making)
	if err := os.Chmod(making, 0o711); err != nil {
		return false, err
	}
	data := filepath.Join(making, "_data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return false, err
	}
	if fill != nil {
		if err := fill(ctx, data); err != nil {
			return false, err
		}
	}
	body, err := json.Marshal(v)
	if err != nil {
		return false, err
	}
	if err := atomicfile.WriteFile(filepath.Join(making, "volume.json"), body, 0o600, atomicfile.Synced); err != nil {
		return false, err
	}
	if err := atomicfile.SyncDir(atomicfile.Host{}, making); err != nil {
		return false, err
	}
	err = os.Rename(making, filepath.Join(s.dir, v.Name))
	if errors.Is(err, fs.ErrExist) { // a directory that is not empty is in the way: somebody's volume
		return false, nil
	}
	return err == nil, errors.Join(err, atomicfile.SyncDir(atomicfile.Host{}, s.dir))
}

// Get describes a volume; errdefs.ErrNotFound if there is none of that name.
func (s *Store) Get(name string) (Volume, error) {
	if err := check(name); err != nil {
		return Volume{}, err
	}
	body, err := s.read(name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return Volume{}, err
	}
	var v Volume
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err != nil {
		return Volume{}, errdefs.Errorf(errdefs.ErrCorrupt,
			"volume %s cannot be read: its files are in %s, and can be copied from there before it is removed: %w",
			name, s.Path(name), err)
	}
	return v, nil
}

// read reads what is kept of a volume. Its directory comes and goes as a whole: one without
// the file is damaged, unless it is on its way out.
func (s *Store) read(name string) ([]byte, error) {
	at := filepath.Join(s.dir, name)
	for {
		dir, err := os.OpenRoot(at)
		if err != nil {
			if _, lerr := os.Lstat(at); errors.Is(lerr, fs.ErrNotExist) {
				err = errdefs.Errorf(errdefs.ErrNotFound, "no such volume: %s", name)
			}
			return nil, err
		}
		body, err := dir.ReadFile("volume.json")
		was, err1 := dir.Stat(".")
		dir.Close()
		is, err2 := os.Stat(at)
		if !errors.Is(err, fs.ErrNotExist) || err1 == nil && err2 == nil && os.SameFile(was, is) {
			return body, err
		}
	}
}

// All lists the volumes by name. One that cannot be read is Broken.
func (s *Store) All() ([]Volume, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Volume
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		v, err := s.Get(e.Name())
		if errors.Is(err, errdefs.ErrNotFound) {
			continue // removed meanwhile
		}
		if errors.Is(err, errdefs.ErrInvalid) {
			continue // no volume's name: what somebody put there
		}
		if err != nil {
			v = Volume{Name: e.Name(), Broken: err}
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b Volume) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Remove deletes a volume and its files, also one that cannot be read. It does not ask who uses it.
func (s *Store) Remove(name string) error {
	if _, err := s.Get(name); err != nil && !errors.Is(err, errdefs.ErrCorrupt) {
		return err
	}
	// Out of sight first, so that no half-removed volume is ever listed.
	gone, err := os.MkdirTemp(s.dir, removingPrefix+process.Tag()+"-")
	if err != nil {
		return err
	}
	err = os.Rename(filepath.Join(s.dir, name), filepath.Join(gone, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errdefs.Errorf(errdefs.ErrNotFound, "no such volume: %s", name)
	case err == nil:
		s.log.Tell(event(name, events.Destroy))
	}
	if left := os.RemoveAll(gone); left != nil {
		// Nobody's from here on: this process may live for long, and anybody may go on with it.
		nobodys := strings.Replace(gone, removingPrefix+process.Tag(), removingPrefix+"left", 1)
		return errors.Join(err, left, os.Rename(gone, nobodys))
	}
	return err
}

// RemoveAnonymous deletes those of the named volumes that nobody named.
func (s *Store) RemoveAnonymous(names []string) error {
	var errs []error
	for _, name := range names {
		v, err := s.Get(name)
		switch {
		case errors.Is(err, errdefs.ErrNotFound):
		case err != nil:
			errs = append(errs, err)
		case v.Anonymous:
			errs = append(errs, s.Remove(name))
		}
	}
	return errors.Join(errs...)
}

func event(name, action string) events.Event {
	return events.Event{Type: events.Volume, Action: action, ID: name, Attributes: map[string]string{"driver": "local"}}
}
