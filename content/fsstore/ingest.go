package fsstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"time"

	"cove/content"
	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
)

const (
	stateSuffix = ".state"
	tempSuffix  = ".tmp"
	maxPlainID  = 150 // longer ids are named by their hash
)

// Ingest describes a write that was begun and not committed.
type Ingest struct {
	// ID is what Begin was given; "" for an id of more than 150 bytes.
	ID string
	// Size is the number of bytes on disk.
	Size int64
	// Updated is when bytes last came.
	Updated time.Time
	// Open says that a Writer holds it now.
	Open bool

	key string
}

// ingestKey turns any id into one harmless file name.
func ingestKey(id string) string {
	if len(id) <= maxPlainID {
		return "i" + base64.RawURLEncoding.EncodeToString([]byte(id))
	}
	sum := sha256.Sum256([]byte(id))
	return "h" + hex.EncodeToString(sum[:])
}

func ingestID(key string) string {
	encoded, ok := strings.CutPrefix(key, "i")
	id, err := base64.RawURLEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return ""
	}
	return string(id)
}

// Begin implements content.Ingester.
func (s *Store) Begin(ctx context.Context, id string) (content.Writer, error) {
	key := ingestKey(id)
	if err := s.fault(StepCreate); err != nil {
		return nil, diskError(fmt.Sprintf("write %q", id), err)
	}
	// A file that is made here is nobody's until it is locked, and a janitor may take
	// it for a left one in between: it is waited for.
	f, err := s.lockIngest(key, os.O_RDWR|os.O_CREATE, func(f *os.File) error { return lockSoon(ctx, f) })
	if err != nil {
		return nil, ingestError(id, err)
	}
	w := &writer{s: s, id: id, key: key, f: f, hash: sha256.New()}
	if err := w.resume(); err != nil {
		return nil, errors.Join(ingestError(id, err), filelock.Release(f))
	}
	return w, nil
}

// lockIngest opens the data file of a write and locks it. A file that was
// committed (renamed) or aborted between the two is not the one it was opened
// as; then it starts over.
func (s *Store) lockIngest(key string, flag int, lock func(*os.File) error) (*os.File, error) {
	dir, err := s.folders.Open(ingest)
	if err != nil {
		return nil, err
	}
	for {
		f, err := dir.OpenFile(key, flag, 0o644)
		if err != nil {
			return nil, err
		}
		if err := lock(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		same, err := isFile(f, dir.Root, key)
		if same {
			return f, nil
		}
		if err := errors.Join(err, filelock.Release(f)); err != nil {
			return nil, err
		}
	}
}

func tryLock(f *os.File) error { return filelock.Try(f, filelock.Exclusive) }

// janitorTime is longer than a janitor needs for one file.
const janitorTime = 250 * time.Millisecond

// lockSoon waits for a lock as long as a janitor may have it; then it is filelock.ErrLocked.
func lockSoon(ctx context.Context, f *os.File) error {
	soon, cancel := context.WithTimeout(ctx, janitorTime)
	defer cancel()
	err := filelock.Lock(soon, f, filelock.Exclusive)
	if err != nil && ctx.Err() == nil && soon.Err() != nil {
		return filelock.ErrLocked
	}
	return err
}

// isFile says whether a name in a folder is that of an open file.
func isFile(f *os.File, dir *os.Root, name string) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

func ingestError(id string, err error) error {
	switch {
	case errors.Is(err, filelock.ErrLocked):
		return errdefs.Errorf(errdefs.ErrUnavailable, "write %q: another writer has it open", id)
	case errors.Is(err, fs.ErrNotExist):
		return errdefs.Errorf(errdefs.ErrNotFound, "write %q: was never begun, or is finished", id)
	}
	return diskError(fmt.Sprintf("write %q", id), err)
}

// Abort implements content.Ingester.
func (s *Store) Abort(_ context.Context, id string) error {
	if err := s.abort(ingestKey(id)); err != nil {
		return ingestError(id, err)
	}
	return nil
}

func (s *Store) abort(key string) error {
	f, err := s.lockIngest(key, os.O_RDWR, tryLock)
	if err != nil {
		return err
	}
	return errors.Join(s.forget(key), filelock.Release(f))
}

// forget removes the files of a write whose lock the caller holds.
func (s *Store) forget(key string) error {
	err := s.root.Remove("ingest/" + key + stateSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, s.root.Remove("ingest/"+key))
}

// Ingests visits every write that was begun and not committed.
func (s *Store) Ingests(ctx context.Context) iter.Seq2[Ingest, error] {
	return func(yield func(Ingest, error) bool) {
		dir, err := s.root.Open("ingest")
		if err != nil {
			yield(Ingest{}, fmt.Errorf("listing writes: %w", err))
			return
		}
		defer dir.Close()
		for {
			entries, err := dir.ReadDir(256)
			for _, e := range entries {
				in, ok := s.describe(e)
				if ok && (!yield(in, ctx.Err()) || ctx.Err() != nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Ingest{}, fmt.Errorf("listing writes: %w", err))
				return
			}
		}
	}
}

func (s *Store) describe(e fs.DirEntry) (Ingest, bool) {
	key := e.Name()
	fi, err := e.Info()
	if err != nil || strings.HasSuffix(key, stateSuffix) || isTemp(key) {
		return Ingest{}, false
	}
	in := Ingest{ID: ingestID(key), Size: fi.Size(), Updated: fi.ModTime(), key: key}
	f, err := s.root.Open("ingest/" + key)
	if err != nil {
		return Ingest{}, false // committed or aborted meanwhile
	}
	defer f.Close()
	in.Open = filelock.Held(f)
	return in, true
}

// Expire aborts the writes that got no bytes since before and that nobody
// holds open, removes what kills left of other files, and returns how many
// bytes the writes had.
func (s *Store) Expire(ctx context.Context, before time.Time) (freed int64, err error) {
	for in, err := range s.Ingests(ctx) {
		if err != nil {
			return freed, err
		}
		if in.Open || !in.Updated.Before(before) {
			continue
		}
		switch err := s.abort(in.key); {
		case err == nil:
			freed += in.Size
		case !errors.Is(err, filelock.ErrLocked) && !errors.Is(err, fs.ErrNotExist):
			return freed, fmt.Errorf("expiring write %q: %w", in.ID, err)
		}
	}
	return freed, s.removeLeftovers(before)
}

// removeLeftovers removes old temporary files, and states whose bytes a killed
// process had made a blob.
func (s *Store) removeLeftovers(before time.Time) error {
	var errs []error
	for _, dir := range []string{"ingest", "."} {
		entries, err := fs.ReadDir(s.root.FS(), dir)
		if err != nil {
			return fmt.Errorf("listing temporary files: %w", err)
		}
		for _, e := range entries {
			fi, err := e.Info()
			if err != nil || !fi.ModTime().Before(before) {
				continue
			}
			key, isState := strings.CutSuffix(e.Name(), stateSuffix)
			switch {
			case isTemp(e.Name()):
				err = s.root.Remove(dir + "/" + e.Name())
			case isState && dir == "ingest":
				err = s.removeOrphan(key)
			}
			if !errors.Is(err, fs.ErrNotExist) { // another collector was faster
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// removeOrphan removes a state without bytes. It begins the write to do so: its
// lock keeps a writer of the same id from saving a new state meanwhile.
func (s *Store) removeOrphan(key string) error {
	if _, err := s.root.Lstat("ingest/" + key); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := s.lockIngest(key, os.O_RDWR|os.O_CREATE, tryLock)
	if errors.Is(err, filelock.ErrLocked) {
		return nil // the write was begun again
	} else if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() == 0 {
		err = s.forget(key)
	}
	return errors.Join(err, filelock.Release(f))
}

func isTemp(name string) bool { return strings.HasSuffix(name, tempSuffix) || atomicfile.IsTemp(name) }

// temp makes a file beside name that no one else has.
func (s *Store) temp(name string) (string, *os.File, error) {
	tmp := name + "." + rand.Text() + tempSuffix
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return tmp, f, err
}
