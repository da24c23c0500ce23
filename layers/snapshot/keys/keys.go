// Package keys is what the snapshotters have in common: which snapshots there
// are, in a directory that many processes share without a daemon.
//
//	ROOT/lock        flocked for the moment of a change
//	ROOT/keys/KEY    a symbolic link to KIND/ID/PARENT: one record
//	ROOT/sizes/KEY   a symbolic link to the bytes of a layer's files
//	ROOT/ID/         the snapshot's files; ID is short, so that the sources of
//	                 an overlay of 128 layers stay short too
//
// A record is a link because a link is made in one atomic call that fails when
// it exists, is read in one call, and is never half there; "ls -l keys" shows
// the database. The links lead nowhere. KEY and PARENT are escaped.
package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/filelock"
	"cove/layers/snapshot"
	"cove/layers/tree"
)

const idLen = 8

// Entry is one snapshot's record.
type Entry struct {
	snapshot.Info
	ID string
}

// Store keeps the records below one root. It is safe for concurrent use, by
// several processes too.
type Store struct{ root string }

// Open returns the store on root, which is made if missing.
func Open(root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(root, "keys"), 0o700); err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	return &Store{root: root}, nil
}

// Root is the store's directory.
func (s *Store) Root() string { return s.root }

// Dir is the directory of the snapshot with this id, or a path in it.
func (s *Store) Dir(id string, elem ...string) string {
	return filepath.Join(append([]string{s.root, id}, elem...)...)
}

// path is where key's record is. Escaping leaves no slash; a first dot is
// escaped too, so that no key is "." or "..".
func (s *Store) path(key string) string { return filepath.Join(s.root, "keys", escape(key)) }

func escape(key string) string {
	e := url.PathEscape(key)
	if strings.HasPrefix(e, ".") {
		e = "%2E" + e[1:]
	}
	return e
}

func unescape(name string) (string, error) { return url.PathUnescape(name) }

// Get returns key's record.
func (s *Store) Get(key string) (Entry, error) {
	e, err := s.read(key, s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, errdefs.Errorf(errdefs.ErrNotFound, "snapshot %q: not found", key)
	}
	return e, err
}

func (s *Store) read(key, path string) (Entry, error) {
	target, err := os.Readlink(path)
	if err != nil {
		return Entry{}, err
	}
	kind, rest, ok := strings.Cut(target, "/")
	id, parent, ok2 := strings.Cut(rest, "/")
	parent, perr := unescape(parent)
	if !ok || !ok2 || perr != nil || len(id) != idLen {
		return Entry{}, errdefs.Errorf(errdefs.ErrCorrupt, "snapshot %q: its record %q is damaged; remove %s", key,
			target, path)
	}
	return Entry{ID: id, Info: snapshot.Info{Key: key, Parent: parent, Kind: snapshot.Kind(kind)}}, nil
}

func (s *Store) write(e Entry) error {
	err := os.Symlink(string(e.Kind)+"/"+e.ID+"/"+escape(e.Parent), s.path(e.Key))
	if errors.Is(err, fs.ErrExist) {
		return errdefs.Errorf(errdefs.ErrExists, "snapshot %q: exists already", e.Key)
	}
	return err
}

// Chain returns the committed snapshots from key, the topmost, down.
func (s *Store) Chain(key string) ([]Entry, error) {
	var chain []Entry
	for key != "" {
		e, err := s.Get(key)
		if err != nil {
			return nil, err
		}
		chain = append(chain, e)
		key = e.Parent
	}
	return chain, nil
}

// locked runs fn while no other process changes records.
func (s *Store) locked(fn func() error) error {
	f, err := filelock.Open(context.Background(), filepath.Join(s.root, "lock"), filelock.Exclusive)
	if err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	defer filelock.Release(f)
	return fn()
}

func checkKey(key string) error {
	if n := len(escape(key)); n == 0 || n > 255 {
		return errdefs.Errorf(errdefs.ErrInvalid, "snapshot %.64q: a key has 1 to 255 bytes when escaped, this one %d",
			key, n)
	}
	return nil
}

// Add records a new snapshot of kind Active or View on parent, and makes its
// directory and the directories subdirs in it.
func (s *Store) Add(key, parent string, kind snapshot.Kind, subdirs ...string) (Entry, error) {
	if err := checkKey(key); err != nil {
		return Entry{}, err
	}
	e := Entry{Info: snapshot.Info{Key: key, Parent: parent, Kind: kind}}
	err := s.locked(func() error {
		if err := s.isCommitted(parent); err != nil {
			return err
		}
		if _, err := os.Lstat(s.path(key)); err == nil {
			return errdefs.Errorf(errdefs.ErrExists, "snapshot %q: exists already", key)
		}
		var err error
		if e.ID, err = s.newDir(subdirs); err != nil {
			return err
		}
		return s.write(e)
	})
	return e, err
}

// isCommitted says whether something may be put on parent.
func (s *Store) isCommitted(parent string) error {
	if parent == "" {
		return nil
	}
	p, err := s.Get(parent)
	if err == nil && p.Kind != snapshot.Committed {
		err = errdefs.Errorf(errdefs.ErrInvalid, "snapshot %q: it is %s; only a committed one can be a parent", parent,
			p.Kind)
	}
	return err
}

func (s *Store) newDir(subdirs []string) (string, error) {
	for {
		id := strings.ToLower(rand.Text()[:8]) // 40 bits
		err := os.Mkdir(s.Dir(id), 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		for _, sub := range subdirs {
			if err == nil {
				err = os.Mkdir(s.Dir(id, sub), 0o755)
			}
		}
		return id, err
	}
}

// Commit makes the active snapshot key a committed one called name, on parent
// instead of its own when onto is set. If name exists, key is removed and the
// error is errdefs.ErrExists.
func (s *Store) Commit(name, key string, onto *string) (Entry, error) {
	if err := checkKey(name); err != nil {
		return Entry{}, err
	}
	var e Entry
	var drop string
	err := s.locked(func() (err error) {
		if e, err = s.Get(key); err != nil {
			return err
		}
		if e.Kind != snapshot.Active {
			return errdefs.Errorf(errdefs.ErrInvalid, "snapshot %q: it is %s; only an active one can be committed", key,
				e.Kind)
		}
		if onto != nil {
			if err := s.isCommitted(*onto); err != nil {
				return err
			}
			e.Parent = *onto
		}
		e.Key, e.Kind = name, snapshot.Committed
		err = s.write(e)
		if err != nil && !errors.Is(err, errdefs.ErrExists) {
			return err
		}
		if err != nil {
			drop = e.ID
		}
		return errors.Join(err, os.Remove(s.path(key)))
	})
	if drop != "" {
		err = errors.Join(err, s.removeDir(drop))
	}
	return e, err
}

// Remove removes key's record and its files.
func (s *Store) Remove(key string) error {
	var e Entry
	err := s.locked(func() (err error) {
		if e, err = s.Get(key); err != nil {
			return err
		}
		if e.Kind == snapshot.Committed {
			if err := s.isFree(key); err != nil {
				return err
			}
		}
		return os.Remove(s.path(key))
	})
	if err != nil {
		return err
	}
	// The record is gone, so nobody finds the files any more: no lock for
	// what may take long. A kill in here leaves an orphan for Clean.
	return s.removeDir(e.ID)
}

// isFree says whether no snapshot is on the committed one key.
func (s *Store) isFree(key string) error {
	for e, err := range s.All() {
		if err != nil {
			return err
		}
		if e.Parent == key {
			return errdefs.Errorf(errdefs.ErrConflict, "snapshot %q: snapshot %q is on it", key, e.Key)
		}
	}
	return nil
}

func (s *Store) removeDir(id string) error {
	fd, err := tree.Open(s.root)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := tree.Remove(fd, id); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("snapshots: removing %s: %w", s.Dir(id), err)
	}
	return nil
}

// All visits every record.
func (s *Store) All() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		names, err := os.ReadDir(filepath.Join(s.root, "keys"))
		if err != nil {
			yield(Entry{}, fmt.Errorf("snapshots: %w", err))
			return
		}
		for _, name := range names {
			key, err := unescape(name.Name())
			if err != nil {
				continue // not ours
			}
			e, err := s.Get(key)
			if errors.Is(err, errdefs.ErrNotFound) {
				continue // gone meanwhile
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Sync makes everything on the root's filesystem durable.
func (s *Store) Sync() error {
	fd, err := tree.Open(s.root)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		return fmt.Errorf("snapshots: sync %s: %w", s.root, err)
	}
	return nil
}
