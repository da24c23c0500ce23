// Package kept keeps what clients sent as contexts of builds for the next build of the same
// client, which then sends only what has changed.
//
// A directory has one user at a time, who holds its lock: a second build of the same client takes
// another one. While somebody changes it, it has no mark, and without a mark, or with one of
// another boot, whose bytes may not have reached the disk, it begins empty. So whoever is killed
// leaves nothing that a later build would take for a file of its client.
package kept

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
	"cove/internal/ids"
)

// Store is the directories of one builder.
type Store struct {
	dir string
	now func() time.Time
}

// Open returns the store in a directory, which need not be there; now is the clock.
func Open(dir string, now func() time.Time) *Store { return &Store{dir: dir, now: now} }

// most is how many directories there are of one key: as many builds of one client at once find
// what they had.
const most = 8

const (
	lockName  = "lock"
	markName  = "mark"
	filesName = "files"
	listName  = "list"
)

// mark says that the files are whole. Its time is that of the last use.
type mark struct {
	Boot    string    `json:"boot"`
	What    string    `json:"what"`
	Bytes   int64     `json:"bytes"`
	Created time.Time `json:"created"`
	Uses    int       `json:"uses"`
}

// Dir is a directory in use.
type Dir struct {
	// Files is where the files are, or will be. List is a file beside them, for whoever fills
	// the directory to say in what is there; it is not there when the directory is empty.
	Files, List string

	store *Store
	place string
	lock  *os.File
	mark  mark
}

// Take returns a directory of a key that nobody uses, which what describes. The key is whatever
// must be the same for its files to be those of the same client, and never shown. Too many in use
// is errdefs.ErrUnavailable.
func (s *Store) Take(key, what string) (*Dir, error) {
	sum := sha256.Sum256([]byte(key))
	base := filepath.Join(s.dir, hex.EncodeToString(sum[:16]))
	for n := range most {
		place := base + "." + strconv.Itoa(n)
		lock, err := lockPlace(place)
		if errors.Is(err, filelock.ErrLocked) {
			continue
		}
		if err != nil {
			return nil, failed(err)
		}
		d := &Dir{
			Files: filepath.Join(place, filesName), List: filepath.Join(place, listName),
			store: s, place: place, lock: lock,
		}
		if err := d.begin(what); err != nil {
			return nil, errors.Join(failed(err), filelock.Release(lock))
		}
		return d, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: %d builds use the contexts of this client", most)
}

// lockPlace makes the directory and locks it. One that was pruned meanwhile is made again.
func lockPlace(place string) (*os.File, error) {
	for {
		if err := os.MkdirAll(place, 0o700); err != nil && !pruned(place, err) {
			return nil, err
		}
		if lock, err := lockThere(place); !errors.Is(err, fs.ErrNotExist) {
			return lock, err
		}
	}
}

// pruned reports whether a directory was not made because it was there, and has gone since, or
// gone and come again. A link to nothing is there, too, and stays.
func pruned(place string, err error) bool {
	fi, there := os.Lstat(place)
	return errors.Is(err, fs.ErrExist) && (errors.Is(there, fs.ErrNotExist) || there == nil && fi.IsDir())
}

// lockThere locks a directory that is there. A lock that has gone with another directory of that
// name is none.
func lockThere(place string) (*os.File, error) {
	name := filepath.Join(place, lockName)
	lock, err := filelock.TryOpen(name, filelock.Exclusive)
	if err != nil {
		return nil, err
	}
	here, err := os.Lstat(name)
	if err == nil {
		have, statErr := lock.Stat()
		if statErr == nil && os.SameFile(here, have) {
			return lock, nil
		}
		err = errors.Join(statErr, fs.ErrNotExist)
	}
	return nil, errors.Join(err, filelock.Release(lock))
}

// begin takes the mark away, and what is there without a good one.
func (d *Dir) begin(what string) error {
	m, _, err := readMark(d.place)
	if whole := err == nil && m.Boot != "" && m.Boot == ids.Boot(); whole {
		d.mark = m
		d.mark.What = what
		return os.Remove(filepath.Join(d.place, markName))
	}
	d.mark = mark{Boot: ids.Boot(), What: what, Created: d.store.now()}
	for _, name := range []string{markName, listName} {
		err := os.Remove(filepath.Join(d.place, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.RemoveAll(d.Files); err != nil {
		return err
	}
	return os.Mkdir(d.Files, 0o700)
}

// Keep says that the files are whole: they are bytes large, and the next build may begin with them.
func (d *Dir) Keep(bytes int64) error {
	d.mark.Bytes = bytes
	d.mark.Uses++
	text, err := json.Marshal(d.mark)
	if err != nil {
		return failed(err)
	}
	// After a power cut it counts for nothing, so nothing waits for the disk.
	err = atomicfile.WriteFile(filepath.Join(d.place, markName), text, 0o600, atomicfile.Volatile)
	if err != nil {
		return failed(err)
	}
	return nil
}

// Close gives the directory back. The files go, unless they were to be kept.
func (d *Dir) Close() error {
	var errs []error
	if _, _, err := readMark(d.place); err != nil {
		errs = append(errs, discard(d.place))
	}
	return errors.Join(append(errs, filelock.Release(d.lock))...)
}

func readMark(place string) (m mark, used time.Time, err error) {
	name := filepath.Join(place, markName)
	info, err := os.Lstat(name)
	if err != nil {
		return m, used, err
	}
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	return m, info.ModTime(), err
}

// Entry is a directory that is kept.
type Entry struct {
	ID            digest.Digest
	What          string
	Bytes         int64
	Created, Used time.Time
	Uses          int
	// InUse says that a build has it.
	InUse bool

	place string
}

// All lists what is kept, the last used first. What a build is receiving is not listed yet.
func (s *Store) All() ([]Entry, error) {
	places, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, failed(err)
	}
	var all []Entry
	for _, p := range places {
		if strings.HasPrefix(p.Name(), gonePrefix) {
			continue
		}
		place := filepath.Join(s.dir, p.Name())
		m, used, err := readMark(place)
		if err != nil {
			continue
		}
		all = append(all, Entry{
			ID: digest.FromString(p.Name()), What: m.What, Bytes: m.Bytes, Created: m.Created, Used: used, Uses: m.Uses,
			InUse: held(place), place: place,
		})
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if c := b.Used.Compare(a.Used); c != 0 {
			return c
		}
		return strings.Compare(a.place, b.place)
	})
	return all, nil
}

// held reports whether somebody has a directory.
func held(place string) bool {
	f, err := os.Open(filepath.Join(place, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	return filelock.Held(f)
}

// Prune removes those that goes chooses and no build uses, and what killed builds left. It returns
// how many bytes they had.
func (s *Store) Prune(goes func(Entry) bool) (bytes int64, err error) {
	all, err := s.All()
	if err != nil {
		return 0, err
	}
	var errs []error
	whole := map[string]bool{}
	for _, e := range all {
		whole[e.place] = true
		if !goes(e) {
			continue
		}
		gone, err := remove(e.place)
		if gone {
			bytes += e.Bytes
		}
		errs = append(errs, err)
	}
	places, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, p := range places {
		if place := filepath.Join(s.dir, p.Name()); !whole[place] {
			_, err := remove(place)
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return bytes, failed(err)
	}
	return bytes, nil
}

// remove removes a directory, unless a build has it.
func remove(place string) (gone bool, err error) {
	if strings.HasPrefix(filepath.Base(place), gonePrefix) { // by one who was killed then
		return true, os.RemoveAll(place)
	}
	lock, err := lockThere(place)
	switch {
	case errors.Is(err, filelock.ErrLocked) || errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	err = discard(place)
	return err == nil, errors.Join(err, filelock.Release(lock))
}

// gonePrefix begins the name of what is being removed.
const gonePrefix = "gone-"

// discard removes a directory that is locked. It has another name first: whoever takes the place
// meanwhile makes a new one.
func discard(place string) error {
	gone := filepath.Join(filepath.Dir(place), gonePrefix+rand.Text())
	if err := os.Rename(place, gone); err != nil {
		if errors.Is(err, fs.ErrNotExist) { // another has just done so
			return nil
		}
		return err
	}
	return os.RemoveAll(gone)
}

func failed(err error) error {
	return errdefs.Errorf(errdefs.ErrUnavailable, "build: kept contexts: %w", err)
}
